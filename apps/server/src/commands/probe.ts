import { Network, parseEndpoint } from "@polywire/core";
import { type Command, Option } from "commander";
import { type CommandHost, EXIT_FAILED, oneLine } from "../command-host.ts";
import { addDialFlags, count, type DialFlags, duration, headersOf, tlsOptions } from "./dial-flags.ts";
import { fail } from "./exit-code.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { type Measured, resultOf, resultText, sampleText, timelineText } from "./probe-report.ts";
import { measure, type Sample } from "./probe-samples.ts";
import { openProbe, type Probe } from "./probe-ways.ts";

export interface ProbeFlags extends DialFlags {
  readonly count?: number;
  /** In milliseconds. */
  readonly interval: number;
  readonly json?: true;
  readonly watch?: true;
  readonly send?: string;
  readonly method?: string;
  readonly framing?: string;
  readonly mode?: string;
}

const DEFAULT_COUNT = 10;
const DEFAULT_INTERVAL_MS = 500;
const CLOSE_TIMEOUT_MS = 2_000;
/** What a live view looks back at. */
const WATCHED_SAMPLES = 60;
/** Clears the screen and goes to its first line (ECMA-48). */
const CLEAR = "\u001B[2J\u001B[H";

const HELP = `
Measured is what the wire has: the ping of WebSocket, UDP and gRPC, a request over HTTP, the health service of a gRPC server
whose URL names no method, one connect after the other over TCP. With --send a text, and the time until anything comes back.

Exit codes: 0 when at least one answer came, 1 when none did or it could not connect, 2 for bad usage.

Examples:
  polywire probe wss://host/feed
  polywire probe tcp://db.internal:5432 --count 20 --interval 100ms
  polywire probe https://host/health --json | jq 'select(.event == "result").level'
  polywire probe grpc://host:11000 --watch`;

/** `polywire probe`. */
export function addProbeCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program
    .command("probe")
    .description("measure any wire: round trips, jitter, loss, a score, and how the connection came about")
    .argument("<url>", "where to: ws://, wss://, tcp://, tcps://, unix://, udp://, grpc://, http:// and others");
  addDialFlags(command)
    .option("-c, --count <number>", `how often; ${DEFAULT_COUNT} by default, with --watch until Ctrl-C`, count)
    .option("--interval <duration>", "from one question to the next", duration, DEFAULT_INTERVAL_MS)
    .option("--json", "print one JSON object for each answer, and one for the result")
    .addOption(new Option("--watch", "draw a live view of the last minute's answers").conflicts("json"))
    .option("--send <text>", "send this and wait for anything that comes back")
    .option("--method <method>", "for HTTP: GET by default")
    .addOption(new Option("--framing <framing>", "for TCP with --send").choices(["lines", "u32", "varint", "none"]))
    .addOption(new Option("--mode <mode>", "for UDP; reliable by default").choices(["plain", "sequenced", "reliable"]))
    .addHelpText("after", HELP)
    .action(async (url: string, flags: ProbeFlags) => finish(await probe(url, flags, host)));
}

async function probe(url: string, flags: ProbeFlags, host: CommandHost): Promise<number> {
  using interruption = new Interruption(host);
  const { signal } = interruption;
  const protocols = host.protocols();
  await using network = new Network({ protocols });
  let opened: Probe | undefined;
  try {
    const endpoint = parseEndpoint(url);
    const protocol = protocols.find(({ schemes }) => schemes.includes(endpoint.scheme));
    const options = { ...tlsOptions(flags, host), metadata: headersOf(flags), timeoutMs: flags.timeout };
    opened = openProbe(network, { url, endpoint, protocol, flags, options });
    await opened.open(signal);
    host.error(oneLine(`probing ${endpoint} by ${opened.how}`));
    return await report(opened, { flags, host, signal });
  } catch (thrown) {
    const timeline = opened?.timeline() ?? [];
    if (timeline.length > 0 && !signal.aborted) host.error(`${timelineText(timeline)}\n`);
    return signal.aborted ? EXIT_FAILED : fail(thrown, host);
  } finally {
    host.input.destroy();
    await network.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  }
}

interface ReportPlace {
  readonly flags: ProbeFlags;
  readonly host: CommandHost;
  readonly signal: AbortSignal;
}

async function report(probe: Probe, { flags, host, signal }: ReportPlace): Promise<number> {
  const output = new Output(host.output);
  const { count: wanted = flags.watch ? Infinity : DEFAULT_COUNT, interval: intervalMs } = flags;
  const samples: Sample[] = [];
  let answers = 0;
  for await (const sample of measure(probe, { count: wanted, intervalMs, signal })) {
    samples.push(sample);
    if (sample.roundTripMs !== undefined) answers++;
    if (flags.watch && samples.length > WATCHED_SAMPLES) samples.shift();
    if (flags.watch) output.write(`${screen(host)}${resultText(resultOf(measured(probe, samples)), samples)}\n`);
    else if (flags.json) output.writeEvent({ event: "sample", ...sample });
    else output.write(`${sampleText(sample)}\n`);
  }
  const result = resultOf(measured(probe, samples));
  if (flags.json) output.writeEvent({ event: "result", ...result });
  else if (!flags.watch && samples.length > 0) output.write(`\n${resultText(result)}\n`);
  await output.flushed(signal);
  return answers > 0 ? 0 : EXIT_FAILED;
}

function measured(probe: Probe, samples: readonly Sample[]): Measured {
  const { endpoint, how, profile } = probe;
  return { endpoint, how, profile, samples, timeline: probe.timeline() };
}

/** Redrawn on a terminal; elsewhere one view follows the other. */
function screen({ output }: CommandHost): string {
  return (output as { isTTY?: boolean }).isTTY === true ? CLEAR : "\n";
}
