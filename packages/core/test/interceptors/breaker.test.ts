import { expect, test } from "vitest";
import { type Interceptor, Network, PolywireError } from "../../src/index.ts";
import { type BreakerOptions, breaker, type CircuitChange } from "../../src/interceptors.ts";
import { memory } from "../../src/memory.ts";
import { ManualClock } from "../../src/testing.ts";
import { turns } from "../opened-network.ts";
import { type Answering, answering, ended } from "./answering.ts";

async function ask(world: Answering, times: number): Promise<(number | string)[]> {
  const ends: (number | string)[] = [];
  for (let time = 0; time < times; time++) ends.push(await ended(world.exchanger.request({ method: "GET" })));
  return ends;
}

test("five failures in a row open the circuit; one trial after its time closes it", async () => {
  const changes: CircuitChange[] = [];
  let status = 500;
  const onChange = (change: CircuitChange): void => void changes.push(change);
  await using world = await answering([breaker({ onChange })], (exchange) => exchange.respond({ status }));
  expect(await ask(world, 7)).toEqual([500, 500, 500, 500, 500, "not-available", "not-available"]);
  expect(world.attempts).toHaveLength(5);

  status = 200;
  await world.pass(29_999);
  expect(await ask(world, 1)).toEqual(["not-available"]);
  await world.pass(1);
  expect(await ask(world, 3)).toEqual([200, 200, 200]);
  const endpoint = "memory://api";
  expect(changes).toEqual([
    { endpoint, from: "closed", to: "open", openForMs: 30_000 },
    { endpoint, from: "open", to: "half-open", openForMs: undefined },
    { endpoint, from: "half-open", to: "closed", openForMs: undefined },
  ]);
  expect(world.log.filter(({ message }) => message.startsWith("circuit"))).toEqual([
    { level: "warn", message: "circuit opened", fields: { endpoint, openForMs: 30_000 } },
    { level: "info", message: "circuit half-open", fields: { endpoint } },
    { level: "info", message: "circuit closed", fields: { endpoint } },
  ]);
});

test("half of twenty open it, though none follow each other", async () => {
  await using world = await answering([breaker()], (exchange, count) =>
    exchange.respond({ status: count % 2 === 0 ? 503 : 200 }),
  );
  const ends = await ask(world, 21);
  expect(ends.slice(0, 20)).not.toContain("not-available");
  expect(ends[20]).toBe("not-available");
});

test("the error says when it is tried again, why, and that it is retryable", async () => {
  const isDown: Interceptor = { exchange: () => () => Promise.reject(new PolywireError("connection-reset", "cut")) };
  await using world = await answering([breaker({ consecutiveFailures: 1, openMs: 12_300 }), isDown], () => {});
  await ask(world, 1);
  await expect(world.exchanger.request({ method: "GET" })).rejects.toMatchObject({
    code: "not-available",
    retryable: true,
    message: 'the circuit to "memory://api" is open, for too many calls failed: it is tried again in 12.3 s',
    cause: { code: "connection-reset" },
  });
});

test("while a trial is under way the others are told so", async () => {
  let isStuck = false;
  await using world = await answering([breaker({ consecutiveFailures: 1 })], (exchange) => {
    if (!isStuck) exchange.respond({ status: 500 });
  });
  await ask(world, 1);
  await world.pass(30_000);
  isStuck = true;
  const trial = ended(world.exchanger.request({ method: "GET" }, { timeoutMs: 1_000 }));
  await turns();
  await expect(world.exchanger.request({ method: "GET" })).rejects.toThrow("it is being tried by one call now");
  await world.pass(1_000);
  expect(await trial).toBe("timed-out");
  // That was a failure, so the wait is twice as long.
  await expect(world.exchanger.request({ method: "GET" })).rejects.toThrow("it is tried again in 60.0 s");
});

test("what is the caller's own doing counts for nothing, nor does a refusal that is an answer", async () => {
  await using world = await answering([breaker({ consecutiveFailures: 2 })], (exchange) =>
    exchange.respond({ status: 404 }),
  );
  for (let time = 0; time < 5; time++) {
    expect(await ended(world.exchanger.request({ method: "" }))).toBe("invalid-argument");
    expect(await ended(world.exchanger.request({ method: "GET" }, { signal: AbortSignal.abort() }))).toBe("aborted");
  }
  expect(await ask(world, 5)).toEqual([404, 404, 404, 404, 404]);
});

test("every endpoint has its own circuit, and so has every network that shares the breaker", async () => {
  const shared = breaker({ consecutiveFailures: 1 });
  await using one = await answering([shared], (exchange) => exchange.respond({ status: 500 }));
  await using other = await answering([shared], (exchange) => exchange.respond({ status: 200 }));
  await one.network.listen("memory://other", { exchange: (exchange) => exchange.respond({ status: 200 }) });
  const beside = await one.network.open("memory://other");
  expect(await ask(one, 2)).toEqual([500, "not-available"]);
  expect(await ended(beside.request({ method: "GET" }))).toBe(200);
  expect(await ask(other, 2)).toEqual([200, 200]);
});

test("dials too, where the program says so: nobody knocks at a dead address", async () => {
  const clock = new ManualClock();
  let knocks = 0;
  const counting: Interceptor = {
    dial: (next) => (call) => {
      knocks++;
      return next(call);
    },
  };
  const interceptors = [breaker({ dials: true, consecutiveFailures: 2 }), counting];
  await using network = new Network({ protocols: [memory()], interceptors, clock, random: () => 0.5 });
  const dial = (): Promise<unknown> => network.connect("memory://nobody").catch((error) => error);
  expect([await dial(), await dial()]).toEqual([
    expect.objectContaining({ code: "connection-refused" }),
    expect.objectContaining({ code: "connection-refused" }),
  ]);
  expect(await dial()).toMatchObject({ code: "not-available", cause: { code: "connection-refused" } });
  expect(knocks).toBe(2);
});

test("a listener that throws changes no outcome", async () => {
  const onChange = (): never => {
    throw new Error("listener bug");
  };
  await using world = await answering([breaker({ consecutiveFailures: 1, onChange })], (exchange) =>
    exchange.respond({ status: 500 }),
  );
  expect(await ask(world, 2)).toEqual([500, "not-available"]);
  expect(world.log).toContainEqual(expect.objectContaining({ level: "error", message: "program code threw" }));
});

test.each<[BreakerOptions, string]>([
  [{ errorRate: 0 }, "errorRate is 0: give a share of more than 0, up to 1"],
  [{ consecutiveFailures: 0 }, "consecutiveFailures is 0"],
  [{ openMs: Infinity }, "openMs is Infinity"],
  [{ volume: 3 } as never, 'unknown option "volume"'],
])("an option that is wrong is named: %o", (options, message) => {
  expect(() => breaker(options)).toThrow(message);
});
