import { expect, test } from "vitest";
import { type Connection, type ConnectionOptions, Network, type NetworkOptions, PolywireError } from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";
import { turns } from "./opened-network.ts";
import { type UnsteadyLink, UnsteadyWire } from "./unsteady-wire.ts";

const REFUSED = new PolywireError("connection-refused", "nobody listens");
const UNTRUSTED = new PolywireError("tls-verify-failed", "self-signed certificate");

interface World extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly wire: UnsteadyWire;
  readonly network: Network<readonly [UnsteadyWire]>;
  readonly errors: PolywireError[];
}

function world(options: Partial<NetworkOptions<readonly [UnsteadyWire]>> = {}, wire = new UnsteadyWire()): World {
  const clock = new ManualClock();
  const network = new Network({ protocols: [wire], clock, random: () => 0.5, ...options });
  const errors: PolywireError[] = [];
  network.on("error", (error) => void errors.push(error));
  return { clock, wire, network, errors, [Symbol.asyncDispose]: () => network.close() };
}

/** Writes down what a connection tells, in order. */
function story(connection: Connection): string[] {
  const told: string[] = [];
  connection.on("state", ({ from, to, cause }) => void told.push(`${from} > ${to}: ${cause}`));
  connection.on("connect", ({ generation }) => void told.push(`connect ${generation}`));
  connection.on("disconnect", ({ closeInfo, willReconnect }) => {
    told.push(`disconnect by ${closeInfo.by}${willReconnect ? ", will reconnect" : ""}`);
  });
  connection.on("reconnecting", ({ attempt, delayMs }) => void told.push(`reconnecting ${attempt} in ${delayMs} ms`));
  connection.on("reconnected", ({ generation, downtimeMs }) => {
    told.push(`reconnected ${generation} after ${downtimeMs} ms`);
  });
  connection.on("error", ({ code }) => void told.push(`error ${code}`));
  connection.on("close", ({ by }) => void told.push(`close by ${by}`));
  return told;
}

/** A connection with its first link. */
async function connected(
  { network, wire }: World,
  options: ConnectionOptions = {},
): Promise<{ readonly connection: Connection<UnsteadyLink>; readonly told: string[] }> {
  const connection = network.connection("unsteady://there", options);
  const told = story(connection as unknown as Connection);
  connection.connect();
  await turns(1);
  wire.dials.shift()?.succeed();
  await turns(1);
  return { connection, told };
}

test("a lost link is followed by another, and everything is told once and in order", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection, told } = await connected(there);
  clock.advance(30_000);
  wire.last.gone();
  expect(connection.state).toBe("backoff");
  clock.advance(250);
  await turns(1);
  expect(connection.state).toBe("connecting");
  wire.dials.shift()?.succeed();
  await turns(1);
  expect(connection.state).toBe("ready");
  expect(told).toEqual([
    "idle > connecting: asked for",
    "connecting > ready: the link is up",
    "connect 1",
    "ready > backoff: the link was lost",
    "disconnect by network, will reconnect",
    "reconnecting 1 in 250 ms",
    "backoff > connecting: the wait is over",
    "connecting > ready: the link is up",
    "connect 2",
    "reconnected 2 after 250 ms",
  ]);
});

test("failed dials are followed by longer waits, counted from where the dial began", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { told } = await connected(there);
  clock.advance(30_000);
  wire.last.gone();
  for (const [waitMs, dialMs] of [
    [250, 0],
    [1_000, 0],
    [1_500, 400],
  ] as const) {
    clock.advance(waitMs);
    await turns(1);
    clock.advance(dialMs);
    wire.dials.shift()?.fail(REFUSED);
    await turns(1);
  }
  expect(told.filter((line) => line.startsWith("reconnecting"))).toEqual([
    "reconnecting 1 in 250 ms",
    "reconnecting 2 in 1000 ms",
    "reconnecting 3 in 1500 ms",
    "reconnecting 4 in 2100 ms",
  ]);
});

test("a link that does not stay up does not reset the waits", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection, told } = await connected(there);
  for (let loss = 0; loss < 4; loss++) {
    clock.advance(200);
    wire.last.gone();
    connection.reconnectNow();
    await turns(1);
    wire.dials.shift()?.succeed();
    await turns(1);
  }
  clock.advance(10_000);
  wire.last.gone();
  expect(told.filter((line) => line.startsWith("reconnecting"))).toEqual([
    "reconnecting 1 in 250 ms",
    "reconnecting 2 in 1000 ms",
    "reconnecting 3 in 1500 ms",
    "reconnecting 4 in 2500 ms",
    "reconnecting 1 in 250 ms",
  ]);
});

test.each([
  ["a certificate that is not trusted", UNTRUSTED],
  ["a refused handshake", new PolywireError("handshake-failed", "status 401")],
])("%s is fatal: no further dial", async (_what, error) => {
  await using there = world();
  const { clock, wire } = there;
  const { connection, told } = await connected(there);
  wire.last.gone();
  clock.advance(1_000);
  await turns(1);
  wire.dials.shift()?.fail(error);
  await turns(1);
  expect(connection.closeInfo).toMatchObject({ by: "network", clean: false, error });
  expect(told.at(-2)).toBe("connecting > closed: the dial failed");
  expect(told.at(-1)).toBe("close by network");
  clock.advance(1_000_000);
  await turns(1);
  expect(wire.dialled).toBe(2);
});

test("F21: a resolver that is gone for a while is waited for", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection } = await connected(there);
  wire.last.gone();
  clock.advance(1_000);
  await turns(1);
  wire.dials.shift()?.fail(new PolywireError("host-not-found", "no such name"));
  await turns(1);
  expect(connection.state).toBe("backoff");
});

test("F21: 30 s without a resolver: those with a link keep it, the others ask no more than once a second, and are back in 5 s", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection: established, told } = await connected(there);
  const { connection } = await connected(there, { reconnect: { capMs: 4_000 } });
  wire.outcome = () => new PolywireError("host-not-found", "no such name");
  wire.last.gone();
  const before = wire.dialled;
  for (let second = 0; second < 30; second++) {
    clock.advance(1_000);
    await turns(1);
  }
  expect(wire.dialled - before).toBeLessThanOrEqual(30);
  expect(wire.dialled - before).toBeGreaterThan(5);
  wire.outcome = () => undefined;
  for (let second = 0; second < 5; second++) {
    clock.advance(1_000);
    await turns(1);
  }
  expect(connection.state).toBe("ready");
  expect(established.generation).toBe(1);
  expect(told.at(-1)).toBe("connect 1");
});

test("the first dial of network.connect that fails is the end, whatever the error", async () => {
  await using there = world();
  const { network, wire } = there;
  const dial = network.connect("unsteady://there");
  await turns(1);
  wire.dials.shift()?.fail(REFUSED);
  await expect(dial).rejects.toBe(REFUSED);
  expect(network.inspect().connections).toEqual([]);
});

test("after maxAttempts failures the connection is over", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection } = await connected(there, { reconnect: { maxAttempts: 3 } });
  clock.advance(30_000);
  wire.outcome = () => REFUSED;
  wire.last.gone();
  for (let wait = 0; wait < 100; wait++) {
    clock.advance(1_000);
    await turns(1);
  }
  expect(wire.dialled).toBe(1 + 3);
  expect(connection.closeInfo).toMatchObject({ error: REFUSED });
});

test("without reconnecting the connection ends with its link", async () => {
  await using there = world();
  const { connection, told } = await connected(there, { reconnect: false });
  there.wire.last.gone();
  expect(connection.state).toBe("closed");
  expect(told.slice(3)).toEqual([
    "ready > closed: the link is gone",
    "disconnect by network",
    "error connection-reset",
    "close by network",
  ]);
});

test("a lazy connection dials for whoever sends, and what it sent arrives", async () => {
  await using there = world();
  const { wire } = there;
  const { connection } = await connected(there, { reconnect: { lazy: true } });
  wire.last.gone();
  expect(connection.state).toBe("idle");
  expect(connection.send("anybody there?")).toBe("wait");
  expect(connection.state).toBe("connecting");
  await turns(1);
  wire.dials.shift()?.succeed();
  await turns(1);
  expect(wire.last.sent).toEqual(["anybody there?"]);
});

test("reconnectNow ends the wait", async () => {
  await using there = world();
  const { connection } = await connected(there);
  there.wire.last.gone();
  connection.reconnectNow();
  expect(connection.state).toBe("connecting");
});

test("close while waiting, dialling or idle ends at once, and aborts the dial", async () => {
  await using there = world();
  const { network, wire } = there;
  const { connection } = await connected(there);
  wire.last.gone();
  expect(await connection.close({ reason: "enough" })).toMatchObject({ by: "local", clean: true, reason: "enough" });

  const dialling = network.connection("unsteady://there");
  dialling.connect();
  await turns(1);
  const { signal } = wire.dials[0]?.context ?? {};
  const ready = dialling.ready();
  await dialling.close();
  expect(signal?.aborted).toBe(true);
  await expect(ready).rejects.toMatchObject({ code: "closed" });
  wire.dials.shift()?.succeed();
  await turns(1);
  expect(wire.last.calls).toContain("cut");

  const idle = network.connection("unsteady://there");
  expect(await idle.close()).toMatchObject({ clean: true });
  await expect(idle.ready()).rejects.toMatchObject({ code: "closed" });
  expect(network.inspect().connections).toEqual([]);
});

test("close of a ready connection drains first, then cuts when asked to discard", async () => {
  await using there = world();
  const { connection, told } = await connected(there);
  const closed = connection.close({ reason: "bye" });
  expect(connection.state).toBe("draining");
  expect(await closed).toMatchObject({ by: "local", reason: "bye" });
  expect(told.slice(3)).toEqual([
    "ready > draining: closed by the program",
    "draining > closed: the link is gone",
    "disconnect by local",
    "close by local",
  ]);
  const other = await connected(there);
  await other.connection.close({ discard: true });
  expect(there.wire.last.calls.at(-1)).toBe("cut");
});

test("what was in flight is rejected before the loss is told", async () => {
  await using there = world();
  const { connection, told } = await connected(there);
  const ping = connection.ping().catch((error: PolywireError) => void told.push(`ping rejected: ${error.code}`));
  there.wire.last.gone();
  await ping;
  await expect(connection.ping()).rejects.toMatchObject({ code: "not-available" });
  // Rejections reach their promises in a microtask; the order of the calls is what counts.
  expect(told).toContain("ping rejected: connection-reset");
});

test("what waits is bounded, and leaves after the listeners of reconnected had their say", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection } = await connected(there, { pending: { maxMessages: 2 } });
  connection.on("reconnected", () => void connection.send("login"));
  wire.last.gone();
  expect([1, 2, 3].map((count) => connection.send(`message ${count}`))).toEqual(["wait", "wait", "refused"]);
  expect(connection.refusal).toBe("not-ready");
  expect(connection.bufferedBytes).toBe(18);
  clock.advance(1_000);
  await turns(1);
  wire.dials.shift()?.succeed();
  await turns(1);
  expect(wire.last.sent).toEqual(["login", "message 1", "message 2"]);
  expect(connection.bufferedBytes).toBe(0);
});

test("with drop-oldest the newest wait, and what gave way is counted", async () => {
  await using there = world();
  const { connection } = await connected(there, { pending: { maxBytes: 6, policy: "drop-oldest" } });
  there.wire.last.gone();
  expect(["one", "two", "six"].map((text) => connection.send(text))).toEqual(["wait", "wait", "wait"]);
  expect(connection.send("too long for it")).toBe("refused");
  expect(connection.pendingDropped).toBe(1);
  await connection.close();
  expect(connection.pendingDropped).toBe(3);
  expect(connection.send("late")).toBe("refused");
  expect(connection.refusal).toBe("closed");
});

test("bytes are copied when they have to wait", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection } = await connected(there);
  wire.last.gone();
  const bytes = new Uint8Array([1, 2, 3]);
  connection.send(bytes);
  bytes.fill(0);
  clock.advance(1_000);
  await turns(1);
  wire.dials.shift()?.succeed();
  await turns(1);
  expect(wire.last.sent).toEqual([new Uint8Array([1, 2, 3])]);
});

test("no byte of a stream, and no datagram, waits for a link", async () => {
  for (const traits of [{ kind: "stream" }, { kind: "datagram", reliable: false }] as const) {
    await using there = world({}, new UnsteadyWire(traits));
    const { connection } = await connected(there);
    there.wire.last.gone();
    expect(connection.send("x")).toBe("refused");
    expect(connection.refusal).toBe("not-ready");
  }
});

test("a connection that is read stays so over links, and one that is paused too", async () => {
  await using there = world();
  const { wire } = there;
  const { connection } = await connected(there);
  const heard: unknown[] = [];
  connection.on("data", (payload) => void heard.push(payload));
  for (const expected of [["pause", "resume"], ["pause"]]) {
    wire.last.gone();
    connection.reconnectNow();
    await turns(1);
    wire.dials.shift()?.succeed();
    await turns(1);
    expect(wire.last.calls).toEqual(expected);
    wire.last.says("hello");
    connection.pause();
    wire.last.calls.length = 0;
  }
  expect(heard).toEqual(["hello", "hello"]);
});

test("a listener that closes the connection in the middle of a loss: all hear of the loss first, then of the end", async () => {
  await using there = world();
  const { connection, told } = await connected(there);
  connection.on("state", ({ to }) => void (to === "backoff" && connection.close()), { priority: 1 });
  there.wire.last.gone();
  expect(told.slice(3)).toEqual([
    "ready > backoff: the link was lost",
    "disconnect by network, will reconnect",
    "reconnecting 1 in 250 ms",
    "backoff > closed: closed by the program",
    "close by local",
  ]);
  there.clock.advance(100_000);
  await turns(1);
  expect(there.wire.dialled).toBe(1);
});

test("ready waits for the link, and no longer than it is told to", async () => {
  await using there = world();
  const { clock, network, wire } = there;
  const connection = network.connection("unsteady://there");
  const impatient = connection.ready({ timeoutMs: 100 });
  const patient = connection.ready();
  clock.advance(100);
  await expect(impatient).rejects.toMatchObject({ code: "timed-out" });
  wire.dials.shift()?.succeed();
  await patient;
  await connection.ready();
  // The rounds of the health checks, and nothing of those who waited.
  expect(clock.pending).toBe(1);
});

test("P40: a rule for the wait that gives no time is reported, and the computed wait is taken", async () => {
  await using there = world();
  const rules: [() => number, number][] = [
    [() => Number.NaN, 250],
    [() => -1, 250],
    [
      (): never => {
        throw new Error("no idea");
      },
      250,
    ],
    [() => 42, 42],
  ];
  for (const [delayMs, expected] of rules) {
    const { connection, told } = await connected(there, { reconnect: { delayMs } });
    there.clock.advance(30_000);
    there.wire.last.gone();
    expect(told.at(-1)).toBe(`reconnecting 1 in ${expected} ms`);
    await connection.close();
  }
  expect(there.errors).toHaveLength(3);
  expect(there.errors[0]?.message).toContain("reconnect.delayMs gave NaN");
});

test("wrong options are named at the call", async () => {
  await using there = world();
  const wrong: [object, string][] = [
    [{ reconnect: { preset: "nat" } }, 'reconnect.preset is "nat": did you mean "nats"?'],
    [{ reconnect: { baseMs: 0 } }, "reconnect.baseMs is 0"],
    [{ reconnect: { factor: 0.5 } }, "reconnect.factor is 0.5"],
    [{ reconnect: { jitter: 2 } }, "reconnect.jitter is 2"],
    [{ reconnect: { attempts: 2 } }, 'unknown option "reconnect.attempts"'],
    [{ pending: { policy: "drop" } }, 'pending.policy is "drop"'],
    [{ pending: { maxMessages: 0 } }, "pending.maxMessages is 0"],
  ];
  for (const [options, message] of wrong) {
    expect(() => there.network.connection("unsteady://there", options)).toThrow(message);
  }
});

test("explain tells what happened, for people and for programs", async () => {
  await using there = world();
  const { clock, wire } = there;
  const { connection } = await connected(there);
  clock.advance(1_000);
  wire.last.gone();
  const explanation = connection.explain();
  expect(explanation).toMatchObject({ state: "backoff", generation: 1, lastError: { code: "connection-reset" } });
  expect(String(explanation)).toBe(
    [
      `connection ${connection.id}`,
      "├── endpoint: unsteady://there",
      "├── protocol: unsteady",
      "├── state: backoff",
      "├── health: unhealthy",
      "├── quality: unknown",
      "├── links so far: 1",
      "├── last error: connection-reset: the cable was cut",
      "└── timeline",
      "    ├── 1000.0 ms ago: connecting (asked for)",
      "    ├── 1000.0 ms ago: connect",
      "    ├── 1000.0 ms ago: ready (the link is up)",
      "    └── 0.0 ms ago: backoff (the link was lost)",
    ].join("\n"),
  );
});
