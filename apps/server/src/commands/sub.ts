import { PolywireError } from "@polywire/core";
import type { StreamPosition } from "centrifuge";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type CommandHost, EXIT_FAILED } from "../command-host.ts";
import { API_KEY_VARIABLE, type ApiFlags, ApiSession, addApiFlags } from "./api-session.ts";
import { JSON_DATA, PROTOBUF_DATA } from "./channel-data.ts";
import { ChannelPrinter } from "./channel-printer.ts";
import { count } from "./dial-flags.ts";
import { fail } from "./exit-code.ts";
import { HistoryFollower } from "./history-follower.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import type { LineForm } from "./publication-line.ts";
import { addSdkFlags, type SdkFlags, speaksProtobuf, TOKEN_VARIABLE } from "./sdk-flags.ts";
import { SdkSession } from "./sdk-session.ts";

interface SubFlags extends SdkFlags, ApiFlags {
  readonly count?: number;
  readonly history?: number;
  readonly recover?: StreamPosition;
}

interface SubPlace {
  readonly flags: SubFlags;
  readonly host: CommandHost;
}

const HELP = `
Each publication is a line of JSON; with several channels the channel's name and a tab come before it. A connection that
is lost is made again, and what was missed meanwhile is printed too where the channel has recovery; where it cannot be, the standard
error says so.

The token comes from the variable ${TOKEN_VARIABLE} or from --token-file, never from an argument, which others can see.
With --api the history of channels is read as the server reads it, every half second, whatever their rules say of clients: they
need a history. The key comes from the variable ${API_KEY_VARIABLE} or from --api-key-file.

Exit codes: 0 after Ctrl-C or --count, 1 when it could not connect or was sent away, 2 for bad usage.

Examples:
  polywire sub ws://127.0.0.1:8000 chat:garden --history 10
  polywire sub tcp://127.0.0.1:7000 readings alerts --json | jq .data
  polywire sub grpc://127.0.0.1:11000 chat:garden --count 1
  polywire sub --api http://127.0.0.1:9000 orders --history 10
  polywire sub ws://127.0.0.1:8000 chat:garden --recover 42:xyzw`;

/** `polywire sub`. */
export function addSubCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program
    .command("sub")
    .description("print what is published to channels, over any wire")
    .argument("<url>", "the server: ws://host:port, tcp://, udp://, grpc://, http:// and others")
    .argument("<channels...>", "what to subscribe to");
  addApiFlags(addSdkFlags(command))
    .option("--count <number>", "end after as many publications", count)
    .option("--history <number>", "print as many of the last publications first", count)
    .addOption(
      new Option("--recover <offset:epoch>", "print what was published after this position first, as --json tells it")
        .argParser(position)
        .conflicts("history"),
    )
    .addHelpText("after", HELP)
    .action(async (url: string, channels: string[], flags: SubFlags) =>
      finish(await sub(url, [...new Set(channels)], { flags, host })),
    );
}

async function sub(url: string, channels: readonly string[], { flags, host }: SubPlace): Promise<number> {
  using interruption = new Interruption(host);
  const { signal } = interruption;
  const output = new Output(host.output);
  try {
    if (flags.recover !== undefined && channels.length > 1)
      throw new PolywireError("invalid-argument", "--recover goes with one channel: a position belongs to one");
    const enough = new AbortController();
    const until = AbortSignal.any([signal, enough.signal]);
    let left = flags.count ?? Number.POSITIVE_INFINITY;
    const form: LineForm = {
      output,
      data: flags.api !== true && speaksProtobuf(url, flags) ? PROTOBUF_DATA : JSON_DATA,
      isJson: flags.json === true,
      isNamed: channels.length > 1,
      /** Whether there is room for one more. */
      take: (): boolean => {
        left--;
        if (left <= 0) enough.abort();
        return left >= 0;
      },
    };
    await (flags.api === true ? followThroughApi : printAll)({ url, channels, form }, { flags, host, until });
    await output.flushed(signal);
    return 0;
  } catch (thrown) {
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  }
}

interface Printing {
  readonly url: string;
  readonly channels: readonly string[];
  readonly form: LineForm;
}

interface PrintingPlace extends SubPlace {
  /** Fires when enough was printed, or the command shall end. */
  readonly until: AbortSignal;
}

async function printAll({ url, channels, form }: Printing, { flags, host, until }: PrintingPlace): Promise<void> {
  await using session = new SdkSession(url, flags, host);
  await session.connect(until);
  await new Promise<void>((resolve, reject) => {
    until.addEventListener("abort", () => resolve(), { once: true });
    session.onEnd(reject);
    const place = { ...form, host, history: flags.history ?? 0, failed: reject };
    for (const channel of channels) {
      const since = flags.recover === undefined ? {} : { since: flags.recover };
      new ChannelPrinter(session.client.newSubscription(channel, since), place).start();
    }
  });
}

async function followThroughApi(
  { url, channels, form }: Printing,
  { flags, host, until }: PrintingPlace,
): Promise<void> {
  await using session = await ApiSession.open(url, flags, host);
  const place = { ...form, host, history: flags.history ?? 0, recover: flags.recover };
  await Promise.all(channels.map((channel) => new HistoryFollower(session, channel, place).follow(until)));
}

/** For commander. */
function position(text: string): StreamPosition {
  const [, offset, epoch] = /^(\d{1,15}):(\S{0,64})$/.exec(text) ?? [];
  if (offset === undefined || epoch === undefined)
    throw new InvalidArgumentError("Write the offset, a colon and the epoch: 42:xyzw.");
  return { offset: Number(offset), epoch };
}
