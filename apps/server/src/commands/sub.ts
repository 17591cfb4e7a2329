import { PolywireError } from "@polywire/core";
import type { StreamPosition } from "centrifuge";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type CommandHost, EXIT_FAILED } from "../command-host.ts";
import { JSON_DATA, PROTOBUF_DATA } from "./channel-data.ts";
import { ChannelPrinter } from "./channel-printer.ts";
import { count } from "./dial-flags.ts";
import { fail } from "./exit-code.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { addSdkFlags, type SdkFlags, speaksProtobuf, TOKEN_VARIABLE } from "./sdk-flags.ts";
import { SdkSession } from "./sdk-session.ts";

interface SubFlags extends SdkFlags {
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

Exit codes: 0 after Ctrl-C or --count, 1 when it could not connect or was sent away, 2 for bad usage.

Examples:
  polywire sub ws://127.0.0.1:8000 chat:garden --history 10
  polywire sub tcp://127.0.0.1:7000 readings alerts --json | jq .data
  polywire sub grpc://127.0.0.1:11000 chat:garden --count 1
  polywire sub ws://127.0.0.1:8000 chat:garden --recover 42:xyzw`;

/** `polywire sub`. */
export function addSubCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program
    .command("sub")
    .description("print what is published to channels, over any wire")
    .argument("<url>", "the server: ws://host:port, tcp://, udp://, grpc://, http:// and others")
    .argument("<channels...>", "what to subscribe to");
  addSdkFlags(command)
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
    await using session = new SdkSession(url, flags, host);
    await session.connect(signal);
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      session.onEnd(reject);
      let left = flags.count ?? Number.POSITIVE_INFINITY;
      const place = {
        output,
        host,
        data: speaksProtobuf(url, flags) ? PROTOBUF_DATA : JSON_DATA,
        isJson: flags.json === true,
        isNamed: channels.length > 1,
        history: flags.history ?? 0,
        /** Whether there is room for one more. */
        take: (): boolean => {
          left--;
          if (left <= 0) resolve();
          return left >= 0;
        },
        failed: reject,
      };
      for (const channel of channels) {
        const since = flags.recover === undefined ? {} : { since: flags.recover };
        new ChannelPrinter(session.client.newSubscription(channel, since), place).start();
      }
    });
    await output.flushed(signal);
    return 0;
  } catch (thrown) {
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  }
}

/** For commander. */
function position(text: string): StreamPosition {
  const [, offset, epoch] = /^(\d{1,15}):(\S{0,64})$/.exec(text) ?? [];
  if (offset === undefined || epoch === undefined)
    throw new InvalidArgumentError("Write the offset, a colon and the epoch: 42:xyzw.");
  return { offset: Number(offset), epoch };
}
