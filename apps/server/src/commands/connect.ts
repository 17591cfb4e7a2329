import { type AnyProtocol, Network, parseEndpoint } from "@polywire/core";
import { type Command, Option } from "commander";
import { type CommandHost, EXIT_FAILED, oneLine } from "../command-host.ts";
import { Conversation } from "./conversation.ts";
import { addDialFlags, collect, type DialFlags, duration, headersOf, tlsOptions } from "./dial-flags.ts";
import { fail } from "./exit-code.ts";
import { Interruption } from "./interruption.ts";
import { BINARY_FORM, HEX_FORM, type PayloadForm, TEXT_FORM } from "./payload-form.ts";
import { request } from "./request.ts";

export interface ConnectFlags extends DialFlags {
  readonly json?: true;
  readonly hex?: true;
  readonly binary?: true;
  readonly framing?: string;
  readonly mode?: string;
  readonly subprotocol: readonly string[];
  readonly method?: string;
  /** In milliseconds. */
  readonly wait: number;
}

const DEFAULT_WAIT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 2_000;

const HELP = `
Each line of the input is sent as one message, and each message that comes is a line of the output. The output holds
data alone; what happens is told on the standard error. Over http:// and https:// it is one request: the input is its
body if --method names one that has a body, and the response's body is printed.

Exit codes: 0 when it ended in agreement, 1 when it could not connect or was cut off, 2 for bad usage.

Examples:
  polywire connect ws://127.0.0.1:8000/echo
  echo '{"id":1,"connect":{}}' | polywire connect tcp://127.0.0.1:7000 --framing lines
  polywire connect wss://host/feed --ca ca.pem --header 'Authorization: Bearer …' --json | jq .text
  echo '68 69' | polywire connect udp://host:7000 --hex --wait 2s
  polywire connect https://host/items --method POST < item.json`;

/** `polywire connect`. */
export function addConnectCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program
    .command("connect")
    .description("talk over any wire: lines in, messages out, and the other way round")
    .argument("<url>", "where to: ws://, wss://, tcp://, tcps://, unix://, udp://, grpc://, http:// and others");
  addDialFlags(command)
    .option("--json", "print one JSON object for each event")
    .addOption(new Option("--hex", "lines are the hexadecimal digits of binary messages").conflicts("binary"))
    .option("--binary", "send lines as binary messages where the wire tells text and binary apart")
    .addOption(new Option("--framing <framing>", "for TCP").choices(["lines", "u32", "varint", "none"]))
    .addOption(new Option("--mode <mode>", "for UDP").choices(["plain", "sequenced", "reliable"]))
    .option("--subprotocol <name>", "offered to a WebSocket server; may be repeated, best first", collect, [])
    .option("--method <method>", "for HTTP: GET by default")
    .option("--wait <duration>", "time to go on listening once the input has ended", duration, DEFAULT_WAIT_MS)
    .addHelpText("after", HELP)
    .action(async (url: string, flags: ConnectFlags) => finish(await connect(url, flags, host)));
}

async function connect(url: string, flags: ConnectFlags, host: CommandHost): Promise<number> {
  using interruption = new Interruption(host);
  const { signal } = interruption;
  const protocols = host.protocols();
  await using network = new Network({ protocols });
  try {
    const endpoint = parseEndpoint(url);
    const options = { ...dialOptions(flags, host), signal };
    if (carriesOnlyRequests(protocols, endpoint.scheme)) {
      const exchanger = await network.open(url, options);
      return await request(exchanger, { flags, host, signal });
    }
    const connection = await network.connect(url, { ...options, metadata: headersOf(flags), reconnect: false });
    host.error(oneLine(`connected to ${endpoint}`));
    const conversation = new Conversation(connection, { form: formOf(flags), isJson: flags.json === true, host });
    return await conversation.run({ signal, waitMs: flags.wait });
  } catch (thrown) {
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  } finally {
    host.input.destroy();
    await network.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  }
}

function dialOptions(flags: ConnectFlags, host: CommandHost): object {
  const { framing, mode, subprotocol, timeout } = flags;
  return {
    ...tlsOptions(flags, host),
    ...(framing === undefined ? {} : { framing }),
    ...(mode === undefined ? {} : { mode }),
    ...(subprotocol.length === 0 ? {} : { subprotocols: subprotocol }),
    timeoutMs: timeout,
  };
}

function carriesOnlyRequests(protocols: readonly AnyProtocol[], scheme: string): boolean {
  const protocol = protocols.find(({ schemes }) => schemes.includes(scheme));
  return protocol !== undefined && protocol.links === undefined;
}

function formOf({ hex, binary }: ConnectFlags): PayloadForm {
  return hex ? HEX_FORM : binary ? BINARY_FORM : TEXT_FORM;
}
