import fc from "fast-check";
import { expect, test } from "vitest";
import { type Lease, type Link, Network, PolywireError, type Pool, type PoolOptions } from "../src/index.ts";
import { type MemoryLink, type MemoryProtocol, memory } from "../src/memory.ts";
import { ManualClock } from "../src/testing.ts";
import { turns } from "./opened-network.ts";

const FOREVER_MS = 2_000_000_000;

interface Borrower {
  readonly ticket: number;
  readonly controller: AbortController;
  readonly isPatient: boolean;
  lease: Lease<MemoryLink> | undefined;
  error: PolywireError | undefined;
}

/** A pool over memory, its server, and all who ever asked for a link. */
class Market {
  readonly clock = new ManualClock();
  readonly network: Network<readonly [MemoryProtocol]>;
  readonly pool: Pool<MemoryLink>;
  readonly max: number;
  readonly served: Link[] = [];
  readonly borrowers: Borrower[] = [];
  readonly errors: PolywireError[] = [];
  isRefusing = false;
  mostServed = 0;
  lastTicket = -1;
  granted = 0;
  evictions = 0;
  readonly #inUse = new Set<MemoryLink>();

  constructor(options: PoolOptions & { max: number }, random: () => number) {
    this.max = options.max;
    const { clock } = this;
    this.network = new Network({ protocols: [memory()], clock, random });
    this.network.on("error", (error) => void this.errors.push(error));
    this.pool = this.network.pool("memory://market", options);
    this.pool.on("evicted", () => void this.evictions++);
  }

  async open(): Promise<void> {
    await this.network.listen("memory://market", {
      admit: () => (this.isRefusing ? { accepted: false, status: 503, reason: "closed" } : { accepted: true }),
      link: (link) => {
        this.served.push(link);
        this.mostServed = Math.max(this.mostServed, this.served.length);
        link.open({
          message: (payload) => void link.send(payload),
          closed: () => void this.served.splice(this.served.indexOf(link), 1),
        });
      },
    });
  }

  borrow(isPatient: boolean): void {
    const controller = new AbortController();
    const ticket = this.borrowers.length;
    const borrower: Borrower = { ticket, controller, isPatient, lease: undefined, error: undefined };
    this.borrowers.push(borrower);
    const { signal } = controller;
    this.pool.acquire({ signal, timeoutMs: isPatient ? FOREVER_MS : 1_000 }).then(
      (lease) => {
        // Nobody overtakes, and no link is lent twice.
        expect(ticket).toBeGreaterThan(this.lastTicket);
        this.lastTicket = ticket;
        this.granted++;
        borrower.lease = lease;
        const { link } = lease;
        expect(this.#inUse.has(link)).toBe(false);
        this.#inUse.add(link);
      },
      (error: PolywireError) => {
        borrower.error = error;
      },
    );
  }

  get waiting(): readonly Borrower[] {
    return this.borrowers.filter(({ lease, error }) => lease === undefined && error === undefined);
  }

  get holders(): readonly Borrower[] {
    return this.borrowers.filter(({ lease }) => lease?.isHeld === true);
  }

  giveBack(borrower: Borrower | undefined, how: "release" | "close" | "both"): void {
    const lease = borrower?.lease;
    if (lease === undefined) return;
    this.#inUse.delete(lease.link);
    if (how !== "release") lease.close();
    lease.release();
    if (how === "both") lease.release();
  }

  /** One that was lost frees its place without its holder. */
  forgetLost(): void {
    for (const { lease } of this.borrowers) {
      if (lease?.isHeld === false) this.#forget(lease);
    }
  }

  #forget(lease: Lease<MemoryLink>): void {
    try {
      this.#inUse.delete(lease.link);
    } catch {
      // Given back: forgotten then.
    }
  }

  check(): void {
    const stats = this.pool.stats();
    const evicted = Object.values(stats.evicted).reduce((sum, count) => sum + count, 0);
    expect(stats.open).toBe(stats.idle + stats.leased);
    expect(stats.created).toBe(stats.open + evicted);
    expect(evicted).toBe(this.evictions);
    expect(stats.open + stats.closing + stats.dialling).toBeLessThanOrEqual(this.max);
    expect(stats.waiting).toBe(this.waiting.length);
    expect(stats.acquired).toBe(this.granted);
    const held = this.holders.length;
    expect(stats.leased).toBeGreaterThanOrEqual(held);
    expect(stats.leased - held).toBeLessThanOrEqual(stats.waiting);
    expect(this.mostServed).toBeLessThanOrEqual(this.max);
    expect(Object.values(stats).every((figure) => typeof figure !== "number" || figure >= 0)).toBe(true);
  }
}

type Act = (market: Market) => void | Promise<void>;

/** A command of fast-check's that checks everything after what it does. */
class Step implements fc.AsyncCommand<object, Market> {
  readonly #name: string;
  readonly #act: Act;

  constructor(name: string, act: Act) {
    this.#name = name;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  async run(_model: object, market: Market): Promise<void> {
    await this.#act(market);
    await turns(1);
    market.forgetLost();
    market.check();
  }

  toString(): string {
    return this.#name;
  }
}

const some = fc.nat(1_000);
const pick = <One>(list: readonly One[], at: number): One | undefined => list[at % Math.max(1, list.length)];

const steps = [
  fc.tuple(fc.integer({ min: 1, max: 120 }), fc.boolean()).map(([count, isPatient]) => {
    const kind = isPatient ? "patient" : "hurried";
    return new Step(`${count} ${kind} borrowers`, (market) => {
      for (let borrower = 0; borrower < count; borrower++) market.borrow(isPatient);
    });
  }),
  fc.integer({ min: 1, max: 20 }).map((count) => {
    return new Step(`${count} give back`, (market) => {
      for (const holder of market.holders.slice(0, count)) market.giveBack(holder, "release");
    });
  }),
  fc.tuple(some, fc.constantFrom("close" as const, "both" as const)).map(([at, how]) => {
    return new Step(`holder ${at}: ${how}`, (market) => market.giveBack(pick(market.holders, at), how));
  }),
  some.map((at) => {
    return new Step(`holder ${at} talks`, async (market) => {
      const lease = pick(market.holders, at)?.lease;
      const heard: unknown[] = [];
      try {
        lease?.open({ message: (payload) => void heard.push(payload), closed: () => {} });
      } catch {
        return;
      }
      lease?.send(`from ${at}`);
      await turns(4);
      // What the server says of itself may come while somebody holds the link; what was said to another may not.
      const answers = heard.filter((payload) => payload !== "psst");
      if (lease?.isHeld === true) expect(answers).toEqual([`from ${at}`]);
    });
  }),
  fc.tuple(some, fc.nat(4)).map(([at, afterTurns]) => {
    return new Step(`holder ${at} asks, reads nothing and gives back after ${afterTurns} turns`, async (market) => {
      const holder = pick(market.holders, at);
      holder?.lease?.send("not for the next one");
      await turns(afterTurns);
      if (holder?.lease?.isHeld === true) market.giveBack(holder, "release");
    });
  }),
  fc.boolean().map((isCut) => {
    return new Step(`somebody borrows while the server ${isCut ? "cuts" : "speaks to"} all`, (market) => {
      market.borrow(true);
      for (const link of market.served) {
        if (isCut) link.close({ discard: true });
        else link.send("psst");
      }
    });
  }),
  some.map((at) => {
    return new Step(`the server cuts ${at}`, (market) => void pick(market.served, at)?.close({ discard: true }));
  }),
  some.map((at) => new Step(`the server closes ${at}`, (market) => void pick(market.served, at)?.close())),
  some.map((at) => new Step(`the server speaks to ${at}`, (market) => void pick(market.served, at)?.send("psst"))),
  fc.boolean().map((isRefusing) => {
    return new Step(isRefusing ? "the server refuses" : "the server accepts", (market) => {
      market.isRefusing = isRefusing;
    });
  }),
  some.map((at) => {
    return new Step(`waiter ${at} gives up`, (market) => void pick(market.waiting, at)?.controller.abort());
  }),
  fc.constantFrom(1, 150, 700, 3_000, 40_000).map((byMs) => {
    return new Step(`${byMs} ms pass`, (market) => market.clock.advanceSettled(byMs, () => turns(1)));
  }),
  fc.constant(new Step("turns pass", () => turns(3))),
];

const options = fc.record({
  max: fc.integer({ min: 1, max: 12 }),
  min: fc.constantFrom(0, 0, 1),
  maxWaiters: fc.constantFrom(20, 1_000),
  maxUses: fc.constantFrom(3, Infinity),
  maxLifetimeMs: fc.constantFrom(2_000, Infinity),
  idleTimeoutMs: fc.constantFrom(500, 60_000),
  verifyAfterIdleMs: fc.constantFrom(100, 30_000),
  order: fc.constantFrom("lifo" as const, "round-robin" as const),
});

test("hundreds of borrowers, whatever happens: never over max, no link lost or lent twice, in order, figures add up", async () => {
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.commands(steps, { maxCommands: 40, size: "max" }),
      fc.nat(),
      async (given, commands, seed) => {
        const market = new Market(given, seededRandom(seed));
        await market.open();
        await fc.asyncModelRun(() => ({ model: {}, real: market }), commands);

        // From here on the server is well and everybody gives back: who is patient is served.
        market.isRefusing = false;
        for (let round = 0; market.waiting.length > 0 || market.holders.length > 0; round++) {
          expect(round).toBeLessThan(2_000);
          for (const holder of market.holders) market.giveBack(holder, "release");
          await turns(2);
          if (market.holders.length === 0) market.clock.advance(500);
        }
        await turns(4);
        market.check();
        const codes = ["aborted", "handshake-failed", "limit-reached"];
        for (const { isPatient, error } of market.borrowers) {
          if (error !== undefined) expect(isPatient ? codes : [...codes, "timed-out"]).toContain(error.code);
        }
        // All that the server has is what the pool knows of.
        expect(market.served).toHaveLength(market.pool.stats().open + market.pool.stats().closing);
        for (const { code } of market.errors) expect(code).toBe("invalid-state");

        const closed = market.network.close();
        await turns(6);
        await closed;
        expect(market.pool.stats()).toMatchObject({ open: 0, closing: 0, dialling: 0, waiting: 0 });
        expect(market.served).toEqual([]);
        expect(market.clock.pending).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);

/** Mulberry32: chance that a failing run can have again. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
