import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { placement, processorName } from "../machine.ts";
import { type Child, Processes } from "../processes.ts";
import { renderTable } from "../table.ts";
import type { LoadOrder, LoadReport, ServerFigures, ServerOrder, ServerReady } from "./orders.ts";

const readyDeadlineMs = 20_000;
const figuresDeadlineMs = 30_000;
const phaseDeadlineMs = 180_000;
const mebibyte = 1_048_576;
const secondsPerMinute = 60;
/** The steady phase is measured in so many parts, between which memory is looked at. */
const parts = 4;
const bars = { fanOutP99Ms: 100, backSeconds: 20, stallMs: 500 } as const;

export interface CrowdOptions {
  readonly clients: number;
  readonly minutes: number;
  readonly fromSource: boolean;
}

/** Throws an Error with one line to show for anything it does not know. */
export function readCrowdOptions(argv: readonly string[]): CrowdOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      clients: { type: "string" },
      minutes: { type: "string" },
      quick: { type: "boolean", default: false },
      source: { type: "boolean", default: false },
    },
  });
  const clients = Number(values.clients ?? (values.quick ? 500 : 10_000));
  const minutes = Number(values.minutes ?? (values.quick ? 0.2 : 10));
  if (!Number.isInteger(clients) || clients < 10 || clients > 20_000)
    throw new Error(`--clients takes a whole number from 10 to 20000, not "${values.clients}"`);
  if (!(minutes > 0 && minutes <= 120)) throw new Error(`--minutes takes a number up to 120, not "${values.minutes}"`);
  return { clients, minutes, fromSource: values.source };
}

interface Row {
  readonly phase: string;
  readonly load: LoadReport;
  readonly server: ServerFigures;
}

/** Thousands of clients on one process: they come, stay, come and go, are all cut off at once, and see a restart. */
export async function benchCrowd(options: CrowdOptions): Promise<number> {
  const { clients, minutes } = options;
  const processes = new Processes(placement());
  process.once("exit", () => processes.killAll());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  console.log(`Node ${process.versions.node}, ${processorName()}; ${clients} clients, ${minutes} minutes\n`);
  const crowd = new Crowd(processes, options);
  const rows: Row[] = [];
  const heaps: number[] = [];
  const phase = async (name: string, order: LoadOrder): Promise<void> => {
    const load = await crowd.load(order);
    rows.push({ phase: name, load, server: await crowd.server("figures") });
    console.error(`${name}: ${load.seconds.toFixed(1)} s`);
  };
  await crowd.start();
  await phase("connect, 10 channels each", { do: "connect", port: crowd.port, clients });
  for (let part = 1; part <= parts; part++) {
    heaps.push((await crowd.server("collect")).heapUsedBytes);
    await phase(`steady, part ${part}`, { do: "steady", seconds: Math.ceil((minutes * secondsPerMinute) / parts) });
  }
  heaps.push((await crowd.server("collect")).heapUsedBytes);
  await phase("all cut off, all come back", { do: "storm" });
  const returning = crowd.load({ do: "return" });
  await crowd.restart();
  rows.push({ phase: "the server restarts", load: await returning, server: await crowd.server("figures") });
  await crowd.stop();
  console.log(table(rows));
  const verdicts = verdictsOf(rows, heaps);
  for (const { says, isMet } of verdicts) console.log(`${isMet ? "met   " : "MISSED"}  ${says}`);
  return verdicts.every(({ isMet }) => isMet) ? 0 : 1;
}

/** The two processes. */
class Crowd {
  readonly #processes: Processes;
  readonly #conditions: readonly string[];
  #server: Child | undefined = undefined;
  #load: Child | undefined = undefined;
  port = 0;

  constructor(processes: Processes, { fromSource }: CrowdOptions) {
    this.#processes = processes;
    this.#conditions = fromSource ? ["--conditions=@polywire/source"] : [];
  }

  async start(): Promise<void> {
    await this.#startServer();
    this.#load = this.#start("load-process.ts", "generator", []);
    await this.#said(this.#load, "word that it is ready", readyDeadlineMs);
  }

  /** Ends the server as a crash does, and starts another in its place. */
  async restart(): Promise<void> {
    const ended = this.#server && once(this.#server.process, "exit");
    this.#server?.process.kill("SIGKILL");
    await ended;
    await this.#startServer();
  }

  server(order: ServerOrder): Promise<ServerFigures> {
    return this.#ask(this.#server, order, figuresDeadlineMs);
  }

  load(order: LoadOrder): Promise<LoadReport> {
    const steadyMs = order.do === "steady" ? order.seconds * 1_000 : 0;
    return this.#ask(this.#load, order, phaseDeadlineMs + steadyMs);
  }

  async stop(): Promise<void> {
    for (const child of [this.#load, this.#server]) {
      child?.process.disconnect();
      await child?.stopped();
    }
  }

  async #startServer(): Promise<void> {
    this.#server = this.#start("server-process.ts", "server", [String(this.port)]);
    const ready = await this.#said<ServerReady>(this.#server, "port", readyDeadlineMs);
    this.port = ready.port;
  }

  #start(file: string, role: "server" | "generator", args: readonly string[]): Child {
    const program = fileURLToPath(import.meta.resolve(`./${file}`));
    const command = [process.execPath, ...this.#conditions, "--expose-gc", program, ...args] as const;
    return this.#processes.start([...command] as [string, ...string[]], ["ignore", "ignore", "pipe", "ipc"], role);
  }

  #ask<Answer>(child: Child | undefined, order: ServerOrder | LoadOrder, deadlineMs: number): Promise<Answer> {
    if (child === undefined) throw new Error("nothing was started");
    const answer = this.#said<Answer>(child, "report", deadlineMs);
    child.process.send(order);
    return answer;
  }

  #said<Message>(child: Child, what: string, deadlineMs: number): Promise<Message> {
    return child.expect<Message>(what, deadlineMs, (resolve) => {
      child.process.once("message", (message: Message) => resolve(message));
    });
  }
}

function table(rows: readonly Row[]): string {
  const titles = [
    "phase",
    "s",
    "deliveries",
    "lost",
    "twice",
    "came back",
    "p50 ms",
    "p99 ms",
    "longest stall ms",
    "MiB",
  ];
  const columns = titles.map((title, index) => ({
    title,
    align: index === 0 ? ("left" as const) : ("right" as const),
  }));
  const shown = (value: number, digits: number): string => (value === 0 ? "" : value.toFixed(digits));
  const cells = rows.map(({ phase, load, server }) => [
    phase,
    load.seconds.toFixed(1),
    String(load.deliveries),
    String(load.lost),
    String(load.repeated),
    String(load.reconnects),
    shown(load.p50Ms, 1),
    shown(load.p99Ms, 1),
    server.longestStallMs.toFixed(0),
    (server.residentBytes / mebibyte).toFixed(0),
  ]);
  return `${renderTable(columns, cells)}\n`;
}

interface Verdict {
  readonly says: string;
  readonly isMet: boolean;
}

function verdictsOf(rows: readonly Row[], heaps: readonly number[]): readonly Verdict[] {
  const sum = (read: (load: LoadReport) => number): number => rows.reduce((all, { load }) => all + read(load), 0);
  const steadies = rows.filter(({ phase }) => phase.startsWith("steady"));
  const p99Ms = Math.max(...steadies.map(({ load }) => load.p99Ms));
  const last = rows.at(-1) as Row;
  const errors = [...new Set(rows.flatMap(({ load }) => load.errors))];
  // The first look is at a server that has just begun: its code and its maps are still growing.
  const [settled = 0, latest = 0] = [heaps[1], heaps.at(-1)];
  const growth = (latest - settled) / settled;
  const faults = sum(({ lost }) => lost) + sum(({ repeated }) => repeated) + sum(({ unrecovered }) => unrecovered);
  return [
    { says: `nothing lost, repeated or unrecovered: ${faults}`, isMet: faults === 0 },
    { says: `no errors: ${errors.join(", ") || "none"}`, isMet: errors.length === 0 },
    { says: `fan-out, p99 under ${bars.fanOutP99Ms} ms: ${p99Ms.toFixed(1)} ms`, isMet: p99Ms < bars.fanOutP99Ms },
    {
      says: `heap after collection is flat: ${heaps.map((heap) => (heap / mebibyte).toFixed(1)).join(", ")} MiB`,
      isMet: growth < 0.02,
    },
    {
      says: `all back within ${bars.backSeconds} s of a restart: ${last.load.seconds.toFixed(1)} s`,
      isMet: last.load.seconds < bars.backSeconds,
    },
    {
      says: `no stall over ${bars.stallMs} ms meanwhile: ${last.server.longestStallMs.toFixed(0)} ms`,
      isMet: last.server.longestStallMs < bars.stallMs,
    },
  ];
}
