import { type CloseInfo, Network, type Payload } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type TcpProtocol, tcp } from "../src/index.ts";
import { Serving } from "./serving.ts";

const FRAMED = { tcp: { framing: "u32" } } as const;

function dialler(clock?: ManualClock): Network<readonly [TcpProtocol]> {
  return new Network({ protocols: [tcp(FRAMED.tcp)], ...(clock && { clock }) });
}

const address = ({ port }: Serving): `tcp://${string}` => `tcp://127.0.0.1:${port}`;

/** Answers every message with itself. */
function echoing(serving: Serving): void {
  void (async () => {
    for (;;) {
      const served = await serving.next();
      served.onMessage = (payload) => void served.link.send(payload);
    }
  })();
}

test("1,000 borrowers of 10 links: each hears its own answer, and nothing is left behind", async () => {
  await using serving = await Serving.start(FRAMED);
  echoing(serving);
  const clock = new ManualClock();
  const network = dialler(clock);
  const socketsBefore = sockets();
  const pool = network.pool(address(serving), { max: 10 });
  await Promise.all(
    Array.from({ length: 1_000 }, async (_, index) => {
      using lease = await pool.acquire();
      const answer = Promise.withResolvers<string>();
      const closed = Promise.withResolvers<CloseInfo>();
      lease.open({ message: (payload) => answer.resolve(text(payload)), closed: closed.resolve });
      lease.send(`borrower ${index}`);
      expect(await answer.promise).toBe(`borrower ${index}`);
      lease.release();
      expect(await closed.promise).toMatchObject({ clean: true, reason: "released" });
    }),
  );
  expect(pool.stats()).toMatchObject({ created: 10, acquired: 1_000, leased: 0, waiting: 0, dialling: 0 });
  expect(sockets() - socketsBefore).toBe(20);
  // A lifetime for each link, and one timer for those that are idle.
  expect(clock.pending).toBe(11);
  await network.close();
  expect(clock.pending).toBe(0);
  expect(pool.stats()).toMatchObject({ open: 0, closing: 0, evicted: { closed: 10 } });
  await until(() => sockets() === socketsBefore);
});

test("what a holder did not read is still in the system: the next one does not get it", async () => {
  await using serving = await Serving.start(FRAMED);
  await using network = dialler();
  const pool = network.pool(address(serving), { max: 1 });
  const first = await pool.acquire();
  const served = await serving.next();
  first.open({ message: () => {}, closed: () => {} });
  first.pause();
  await turns(2);
  served.link.send("for the first");
  await until(() => served.link.bufferedBytes === 0);
  const next = pool.acquire();
  // While the system's news are read, so that there are two ends of a turn before more is.
  const another = await network.connect(address(serving));
  const released = new Promise<void>((resolve) => {
    another.on("data", () => {
      first.release();
      resolve();
    });
  });
  (await serving.next()).link.send("release it");
  await released;
  using second = await next;
  const other = await serving.next();
  expect(pool.stats().evicted.dirty).toBe(1);
  other.link.send("for the second");
  const heard = Promise.withResolvers<Payload>();
  second.open({ message: (payload) => heard.resolve(text(payload)), closed: () => {} });
  expect(await heard.promise).toBe("for the second");
});

test("idle links are read: the peer's end and the peer's words evict them", async () => {
  await using serving = await Serving.start(FRAMED);
  await using network = dialler();
  const pool = network.pool(address(serving), { max: 2 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  const [ending, speaking] = [await serving.next(), await serving.next()];
  const reasons: string[] = [];
  const both = new Promise<void>((resolve) => {
    pool.on("evicted", ({ reason }) => {
      if (reasons.push(reason) === 2) resolve();
    });
  });
  ending.link.close();
  speaking.link.send("did you ask?");
  await both;
  expect(reasons.toSorted()).toEqual(["closed", "dirty"]);
  await until(() => pool.stats().closing === 0);
  expect(pool.stats()).toMatchObject({ open: 0, idle: 0 });
});

test("nobody listens: each borrower hears so", async () => {
  const serving = await Serving.start();
  const url = address(serving);
  await serving[Symbol.asyncDispose]();
  await using network = dialler();
  const pool = network.pool(url, { max: 2 });
  const outcomes = await Promise.allSettled([pool.acquire(), pool.acquire()]);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: "connection-refused" } });
});

function text(payload: Payload): string {
  return Buffer.from(payload as Uint8Array).toString();
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The platform tells of a closed socket a turn or two later. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turns(1);
}
