import {
  DEFAULT_LIMITS,
  type DialContext,
  type Link,
  Network,
  parseEndpoint,
  silentLogger,
  systemClock,
  Turn,
} from "@polywire/core";
import { memory } from "@polywire/core/memory";

/** What one process measures: with the connection manager or without it. */
export type ManagerProgram = "link-pairs" | "connection-pairs" | "measured-pairs" | "link-heap" | "connection-heap";

export interface ManagerSample {
  /** Microseconds of processor time for a pair of messages, or bytes of heap for a link or a connection. */
  readonly value: number;
}

const WARM_UP_PAIRS = 200_000;
const PAIRS = 1_000_000;
const IN_FLIGHT = 64;
const HELD = 5_000;
const URL = "memory://echo";
const PAYLOAD = new Uint8Array(64);

const wire = memory();
const network = new Network({ protocols: [wire] });
await network.listen(URL, (link) => link.open({ message: (payload) => void link.send(payload), closed: () => {} }));

/** As a protocol dials, without anything of the network around it. */
async function dialBare(): Promise<Link> {
  const context: DialContext = {
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
    turn: new Turn(systemClock),
    limits: DEFAULT_LIMITS,
    signal: new AbortController().signal,
    mark: () => {},
    metadata: new Map(),
  };
  if (wire.links === undefined) throw new Error("the in-memory wire carries links");
  return await wire.links.dial(parseEndpoint(URL), context);
}

/** Sends and counts, so many on their way at once. */
interface Talk {
  send(): void;
  received: () => void;
}

async function openLink(): Promise<Talk> {
  const link = await dialBare();
  const talk: Talk = { send: () => void link.send(PAYLOAD), received: () => {} };
  link.open({ message: () => talk.received(), closed: () => {} });
  return talk;
}

async function openConnection(isMeasured: boolean): Promise<Talk> {
  const connection = await network.connect(URL);
  const talk: Talk = { send: () => void connection.send(PAYLOAD), received: () => {} };
  connection.on("data", () => talk.received());
  if (isMeasured) connection.on("quality", () => {});
  return talk;
}

function exchange(talk: Talk, pairs: number): Promise<void> {
  return new Promise((resolve) => {
    let sent = IN_FLIGHT;
    let received = 0;
    talk.received = () => {
      if (++received === pairs) return resolve();
      if (sent++ < pairs) talk.send();
    };
    for (let index = 0; index < IN_FLIGHT; index++) talk.send();
  });
}

async function cpuOfPairs(talk: Talk): Promise<number> {
  await exchange(talk, WARM_UP_PAIRS);
  const before = process.cpuUsage();
  await exchange(talk, PAIRS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / PAIRS;
}

async function heapOf(make: () => Promise<unknown>): Promise<number> {
  const held: unknown[] = [];
  for (let index = 0; index < 100; index++) held.push(await make());
  const before = heapNow();
  for (let index = 0; index < HELD; index++) held.push(await make());
  const growth = heapNow() - before;
  if (held.length === 0) throw new Error("nothing is held");
  return growth / HELD;
}

function heapNow(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const PROGRAMS: Readonly<Record<ManagerProgram, () => Promise<number>>> = {
  "link-pairs": async () => cpuOfPairs(await openLink()),
  "connection-pairs": async () => cpuOfPairs(await openConnection(false)),
  "measured-pairs": async () => cpuOfPairs(await openConnection(true)),
  "link-heap": () => heapOf(dialBare),
  "connection-heap": () => heapOf(() => network.connect(URL)),
};

const sample: ManagerSample = { value: await PROGRAMS[process.argv[2] as ManagerProgram]() };
console.log(JSON.stringify(sample));
process.exit(0);
