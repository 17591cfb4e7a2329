import { setTimeout as wait } from "node:timers/promises";
import { PolywireError } from "@polywire/core";
import type { Centrifuge } from "centrifuge";
import { type Command, Option } from "commander";
import { type CommandHost, EXIT_FAILED, oneLine } from "../command-host.ts";
import { ApiPublisher } from "./api-publisher.ts";
import { API_KEY_VARIABLE, type ApiFlags, ApiSession, addApiFlags } from "./api-session.ts";
import { type ChannelData, JSON_DATA, PROTOBUF_DATA, RAW_DATA } from "./channel-data.ts";
import { fail } from "./exit-code.ts";
import { Interruption } from "./interruption.ts";
import { lines } from "./lines.ts";
import { Output } from "./output.ts";
import { addSdkFlags, type SdkFlags, speaksProtobuf, TOKEN_VARIABLE } from "./sdk-flags.ts";
import { SdkSession } from "./sdk-session.ts";

interface PubFlags extends SdkFlags, ApiFlags {
  readonly text?: true;
  readonly raw?: true;
}

interface PubPlace {
  readonly flags: PubFlags;
  readonly host: CommandHost;
}

/** Publications under way at once, where they cannot overtake one another. */
const WINDOW = 64;
/** What the server answers when publications come too fast. */
const TOO_MANY_REQUESTS = 111;
/** How long nothing is published then: by that time a server takes as many at once as it ever does. */
const PAUSE_MS = 2_100;
/** What the server answers where subscribers alone may publish. */
const PERMISSION_DENIED = 103;

const HELP = `
Data that are JSON are published as they are, anything else as a text: hello is the same as '"hello"'. Without data each
line of the input is one publication. Where subscribers alone may publish, the channel is subscribed to first.

The token comes from the variable ${TOKEN_VARIABLE} or from --token-file, never from an argument, which others can see.
With --api it is the server that publishes, whatever the channel's rule says of clients; the key comes from the variable
${API_KEY_VARIABLE} or from --api-key-file.

Exit codes: 0 when everything was published, 1 when it was not or the connection failed, 2 for bad usage.

Examples:
  polywire pub ws://127.0.0.1:8000 chat:garden '{"text":"hello"}'
  polywire pub grpc://127.0.0.1:11000 chat:garden hello
  polywire pub --api http://127.0.0.1:9000 alerts '{"level":"high"}'
  sensors | polywire pub tcp://127.0.0.1:7000 readings`;

/** `polywire pub`. */
export function addPubCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program
    .command("pub")
    .description("publish to a channel, over any wire")
    .argument("<url>", "the server: ws://host:port, tcp://, udp://, grpc://, http:// and others")
    .argument("<channel>", "where to publish")
    .argument("[data]", "what to publish; without it, every line of the input");
  addApiFlags(addSdkFlags(command))
    .option("--text", "publish data as a text even if they are JSON")
    .addOption(
      new Option("--raw", "with --protobuf, grpc:// or --api: publish the bytes as they are").conflicts("text"),
    )
    .addHelpText("after", HELP)
    .action(async (url: string, channel: string, data: string | undefined, flags: PubFlags) =>
      finish(await (flags.api === true ? pubThroughApi : pub)({ url, channel, data }, { flags, host })),
    );
}

interface PubCall {
  readonly url: string;
  readonly channel: string;
  readonly data: string | undefined;
}

async function pub({ url, channel, data }: PubCall, { flags, host }: PubPlace): Promise<number> {
  using interruption = new Interruption(host);
  const { signal } = interruption;
  try {
    const form = formOf(url, flags);
    await using session = new SdkSession(url, flags, host);
    await session.connect(signal);
    const publisher = new Publisher(session, channel, signal);
    const over = new AbortController();
    session.onEnd((error) => {
      publisher.fail(error);
      over.abort();
    });
    const until = AbortSignal.any([signal, over.signal]);
    const publish = (line: string): Promise<void> => publisher.publish(form.read(line, flags.text === true));
    const published = await publishAll(data ?? lines(host.input, until), publish);
    await publisher.done();
    return await tellPublished({ channel, published }, { flags, host, signal });
  } catch (thrown) {
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  } finally {
    host.input.destroy();
  }
}

/** The same, as the server. */
async function pubThroughApi({ url, channel, data }: PubCall, { flags, host }: PubPlace): Promise<number> {
  using interruption = new Interruption(host);
  const { signal } = interruption;
  try {
    await using session = await ApiSession.open(url, flags, host);
    const publisher = new ApiPublisher(session, channel, flags.raw ? "raw" : flags.text ? "text" : "json");
    const published = await publishAll(data ?? lines(host.input, signal), (line) => publisher.publish(line));
    return await tellPublished({ channel, published }, { flags, host, signal });
  } catch (thrown) {
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  } finally {
    host.input.destroy();
  }
}

/** How many there were. Empty lines of the input are none. */
async function publishAll(
  source: string | AsyncIterable<string>,
  publish: (line: string) => Promise<void>,
): Promise<number> {
  if (typeof source === "string") {
    await publish(source);
    return 1;
  }
  let published = 0;
  for await (const line of source) {
    if (line === "") continue;
    await publish(line);
    published++;
  }
  return published;
}

async function tellPublished(
  { channel, published }: { readonly channel: string; readonly published: number },
  { flags, host, signal }: PubPlace & { readonly signal: AbortSignal },
): Promise<number> {
  const output = new Output(host.output);
  if (flags.json) output.writeEvent({ event: "published", channel, count: published });
  else host.error(oneLine(`published ${published} to ${channel}`));
  await output.flushed(signal);
  return 0;
}

function formOf(url: string, flags: PubFlags): ChannelData {
  const { raw } = flags;
  const protobuf = speaksProtobuf(url, flags);
  if (raw && !protobuf) throw new PolywireError("invalid-argument", "--raw goes with --protobuf: JSON has no bytes");
  return raw ? RAW_DATA : protobuf ? PROTOBUF_DATA : JSON_DATA;
}

/** A publication, and which one it is. */
interface Numbered {
  readonly number: number;
  readonly data: unknown;
}

/**
 * Publishes in order, several at once. The first that fails fails them all; those that come too fast for the server are
 * published again a little later, before any other.
 */
class Publisher {
  readonly #client: Centrifuge;
  readonly #channel: string;
  readonly #window: number;
  readonly #signal: AbortSignal;
  readonly #underWay = new Set<Promise<void>>();
  #isAllowed = false;
  #lastNumber = 0;
  #tooFast: Numbered[] = [];
  #failure: PolywireError | undefined = undefined;

  constructor({ client, keepsOrder }: SdkSession, channel: string, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
    this.#window = keepsOrder ? WINDOW : 1;
    this.#channel = channel;
  }

  fail(error: PolywireError): void {
    this.#failure ??= error;
  }

  /** Fulfilled when another may be given. @throws PolywireError if one before it has failed. */
  async publish(data: unknown): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isAllowed) return await this.#publishFirst(data);
    this.#begin({ number: ++this.#lastNumber, data });
    if (this.#underWay.size >= this.#window) await Promise.race(this.#underWay);
    if (this.#tooFast.length > 0) await this.#slowDown();
  }

  async done(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#slowDown();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #begin(numbered: Numbered): void {
    const publishing = this.#client.publish(this.#channel, numbered.data).then(
      () => void this.#underWay.delete(publishing),
      (thrown: unknown) => {
        this.#underWay.delete(publishing);
        if ((thrown as { code?: unknown }).code === TOO_MANY_REQUESTS) this.#tooFast.push(numbered);
        else this.fail(this.#refused(thrown));
      },
    );
    this.#underWay.add(publishing);
  }

  /** A server that refuses one refuses those that follow at once, so that their order is kept. */
  async #slowDown(): Promise<void> {
    await Promise.all(this.#underWay);
    while (this.#tooFast.length > 0 && this.#failure === undefined) {
      await wait(PAUSE_MS, undefined, { signal: this.#signal });
      const again = this.#tooFast.toSorted((one, other) => one.number - other.number);
      this.#tooFast = [];
      for (const numbered of again) this.#begin(numbered);
      await Promise.all(this.#underWay);
    }
  }

  /** Alone, because it finds out whether the channel wants a subscription first. */
  async #publishFirst(data: unknown): Promise<void> {
    try {
      await this.#client.publish(this.#channel, data);
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== PERMISSION_DENIED) throw this.#refused(thrown);
      await this.#publishSubscribed(data);
    }
    this.#isAllowed = true;
  }

  async #publishSubscribed(data: unknown): Promise<void> {
    const subscription = this.#client.newSubscription(this.#channel);
    subscription.subscribe();
    try {
      await subscription.ready();
      await subscription.publish(data);
    } catch (thrown) {
      throw this.#refused(thrown);
    }
  }

  #refused(thrown: unknown): PolywireError {
    const { code, message } = thrown as { code?: unknown; message?: unknown };
    const isDenied = code === PERMISSION_DENIED;
    return new PolywireError(
      isDenied ? "permission-denied" : "not-available",
      `not published to "${this.#channel}": ${String(message)} (${String(code)})`,
      { cause: thrown },
    );
  }
}
