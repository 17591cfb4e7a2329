/**
 * The load generator for machines without a C compiler: the same commands as generator.c, on Node's sockets. It costs
 * several times the CPU, so it saturates before a fast server does; the table says so when that happens.
 *
 *   node node-generator.ts PORT DIALECT
 */
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { maskedFrame, opcodes } from "./frame-reader.ts";
import { Histogram } from "./histogram.ts";
import { NodeClient, type NodeClientEvents } from "./node-client.ts";
import { eachPayload, payload } from "./payload.ts";
import type { Answer, Refusal } from "./protocol.ts";
import { type Wire, wires } from "./wire.ts";

const openDeadlineMs = 30_000;
const roundDeadlineMs = 5_000;
const drainDeadlineMs = 10_000;
const leastSilenceMs = 1_000;
const maxOutboxBytes = 16 * 1024 * 1024;

const nowUs = (): number => Math.round(performance.now() * 1000);

class NodeGenerator implements NodeClientEvents {
  readonly #port: number;
  readonly #wire: Wire;
  readonly #histogram = new Histogram();
  readonly #sequences = new Map<number, number>();
  #clients: NodeClient[] = [];
  #publisher: NodeClient | undefined;
  #openedUs = new Map<NodeClient, number>();
  #channels = 1;
  #ready = 0;
  #received = 0;
  #disordered = 0;
  #closed = 0;
  #latestUs = 0;
  #lastReadUs = 0;
  #commandId = 2;
  #failure: string | undefined;
  #progress: (() => void) | undefined;

  constructor(port: number, wire: Wire) {
    this.#port = port;
    this.#wire = wire;
  }

  ready(client: NodeClient): void {
    this.#histogram.add(nowUs() - (this.#openedUs.get(client) ?? 0));
    this.#openedUs.delete(client);
    if (client !== this.#publisher) this.#ready++;
    this.#progress?.();
  }

  message(client: NodeClient, body: Buffer): void {
    if (client === this.#publisher) {
      if (body.includes('"error"')) this.#failure ??= `publish refused: ${body.toString()}`;
      return;
    }
    const readUs = nowUs();
    this.#lastReadUs = readUs;
    eachPayload(body, (dueUs, sequence) => {
      if (sequence !== client.nextSequence) this.#disordered++;
      client.nextSequence = sequence + 1;
      this.#received++;
      this.#latestUs = Math.max(0, readUs - dueUs);
      this.#histogram.add(this.#latestUs);
    });
    this.#progress?.();
  }

  closed(client: NodeClient, why: string): void {
    this.#closed++;
    if (!client.isReady) this.#failure ??= `connection closed before it was ready: ${why}`;
    else if (client !== this.#publisher) this.#ready--;
    this.#progress?.();
  }

  async run(line: string): Promise<Answer | Refusal> {
    const [name, ...texts] = line.trim().split(" ");
    const [first = 0, second = 0, third = 0, fourth = 0] = texts.map(Number);
    this.#histogram.reset();
    this.#received = this.#disordered = this.#closed = this.#latestUs = 0;
    this.#failure = undefined;
    const startedUs = nowUs();
    const startedCpu = process.cpuUsage();
    let publications = 0;
    let perPublication = this.#clients.length / this.#channels;
    if (name === "open") await this.#open(first, second, third, fourth !== 0);
    else if (name === "publisher") await this.#openPublisher();
    else if (name === "fanout") publications = await this.#fanOut(first);
    else if (name === "rate") publications = await this.#sustain(first, second, third);
    else if (name === "close") this.#close();
    else this.#failure = "unknown command";
    if (this.#failure !== undefined) return { ok: false, error: this.#failure };
    if (publications === 0) perPublication = 0;
    const cpu = process.cpuUsage(startedCpu);
    return {
      ok: true,
      seconds: (nowUs() - startedUs) / 1e6,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      publications,
      expected: publications * perPublication,
      received: this.#received,
      disordered: this.#disordered,
      closed: this.#closed,
      ready: this.#ready,
      p50Us: this.#histogram.percentile(0.5),
      p99Us: this.#histogram.percentile(0.99),
      maximumUs: this.#histogram.maximum,
    };
  }

  /** Until the condition holds, something failed, or the time is over; checked at each event that could change it. */
  #until(holds: () => boolean, deadlineMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#progress = undefined;
        resolve(holds());
      };
      const timer = setTimeout(finish, deadlineMs);
      this.#progress = () => {
        if (holds() || this.#failure !== undefined) finish();
      };
      this.#progress();
    });
  }

  #start(channel: number | undefined): NodeClient {
    const client = new NodeClient(this.#port, this.#wire, {
      channel: channel === undefined ? undefined : `bench:${channel}`,
      nextSequence: this.#sequences.get(channel ?? 0) ?? 0,
      events: this,
    });
    this.#openedUs.set(client, nowUs());
    return client;
  }

  async #open(count: number, channels: number, inFlight: number, subscribe: boolean): Promise<void> {
    this.#channels = channels;
    const isDone = (): boolean => {
      while (this.#clients.length < count && this.#openedUs.size < inFlight) {
        this.#clients.push(this.#start(subscribe ? this.#clients.length % channels : undefined));
      }
      return this.#ready >= count;
    };
    if (!(await this.#until(isDone, openDeadlineMs)))
      this.#failure ??= `${this.#ready} of ${count} clients ready after 30 s`;
  }

  async #openPublisher(): Promise<void> {
    const publisher = this.#start(undefined);
    this.#publisher = publisher;
    if (!(await this.#until(() => publisher.isReady, openDeadlineMs)))
      this.#failure ??= "the publisher is not ready after 30 s";
  }

  #publication(channel: number, dueUs: number): Buffer {
    const sequence = this.#sequences.get(channel) ?? 0;
    this.#sequences.set(channel, sequence + 1);
    this.#commandId++;
    const text = this.#wire.publish(`bench:${channel}`, payload(dueUs, sequence), this.#commandId);
    return maskedFrame(opcodes.text, Buffer.from(text));
  }

  #hasFailed(): boolean {
    return this.#failure !== undefined || this.#closed > 0;
  }

  async #fanOut(durationMs: number): Promise<number> {
    const started = performance.now();
    let publications = 0;
    while (!this.#hasFailed() && performance.now() - started < durationMs) {
      this.#publisher?.write(this.#publication(0, nowUs()));
      publications++;
      const expected = publications * this.#clients.length;
      const isDone = (): boolean => this.#received >= expected || this.#closed > 0;
      if (!(await this.#until(isDone, roundDeadlineMs))) {
        const missing = expected - this.#received;
        this.#failure ??= `${missing} of ${this.#clients.length} subscribers lack the publication after 5 s`;
      }
    }
    return publications;
  }

  async #sustain(perSecond: number, durationMs: number, ceilingMs: number): Promise<number> {
    const startedUs = nowUs();
    const total = Math.floor((perSecond * durationMs) / 1000);
    const perPublication = this.#clients.length / this.#channels;
    let publications = 0;
    const silenceUs = Math.max(leastSilenceMs, 5 * ceilingMs) * 1000;
    let isHopeless = false;
    this.#lastReadUs = startedUs;
    while (!this.#hasFailed() && !isHopeless && publications < total) {
      const due = Math.min(total, Math.floor(((nowUs() - startedUs) * perSecond) / 1e6));
      const frames: Buffer[] = [];
      for (; publications < due; publications++) {
        const dueUs = startedUs + Math.floor((publications * 1e6) / perSecond);
        frames.push(this.#publication(publications % this.#channels, dueUs));
      }
      if (frames.length > 0) this.#publisher?.write(Buffer.concat(frames));
      await wait(1);
      const isSilent = this.#received < publications * perPublication && nowUs() - this.#lastReadUs > silenceUs;
      const isFull = (this.#publisher?.bufferedBytes ?? 0) > maxOutboxBytes;
      isHopeless = isFull || isSilent || this.#latestUs > 5000 * ceilingMs;
    }
    await this.#until(() => this.#received >= publications * perPublication || this.#closed > 0, drainDeadlineMs);
    return publications;
  }

  #close(): void {
    for (const client of this.#clients) client.drop();
    this.#publisher?.drop();
    this.#clients = [];
    this.#publisher = undefined;
    this.#openedUs = new Map();
    this.#ready = 0;
  }
}

const [port, dialect] = process.argv.slice(2);
const wire = Object.entries(wires).find(([name]) => name === dialect)?.[1];
if (port === undefined || wire === undefined) {
  console.error(`usage: node-generator PORT ${Object.keys(wires).join("|")}`);
  process.exit(2);
}
const generator = new NodeGenerator(Number(port), wire);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await generator.run(line))}\n`);
}
process.exit(0);
