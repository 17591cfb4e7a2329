import { expect, test } from "vitest";
import { type Interceptor, Network, PolywireError } from "../../src/index.ts";
import { type RetryOptions, retry } from "../../src/interceptors.ts";
import { memory } from "../../src/memory.ts";
import { ManualClock } from "../../src/testing.ts";
import { echo, turns } from "../opened-network.ts";
import { answering, ended } from "./answering.ts";

function busyUntil(count: number): Parameters<typeof answering>[1] {
  return (exchange, nth) => exchange.respond({ status: nth < count ? 503 : 200 });
}

/** Fails every request with the code. */
function failing(code: "connection-refused" | "connection-reset" | "invalid-argument"): Interceptor {
  return { exchange: () => () => Promise.reject(new PolywireError(code, "as told")) };
}

test("an idempotent request is made again, after waits that grow, with full jitter", async () => {
  await using world = await answering([retry()], busyUntil(3));
  const end = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(1_000);
  expect(await end).toBe(200);
  // Half of what may be: 0 to 100 ms, then 100 ms and 0 to 200 ms.
  expect(world.attempts.map(({ atMs }) => atMs)).toEqual([0, 50, 250]);
});

test("the last outcome is the caller's", async () => {
  await using world = await answering([retry()], busyUntil(9));
  const end = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(1_000);
  expect(await end).toBe(503);
  expect(world.attempts).toHaveLength(3);
});

test.each<[string, RetryOptions, string, number]>([
  ["a POST is made once", {}, "POST", 1],
  ["unless the program names its method", { methods: ["POST"] }, "POST", 3],
  [
    "or judges the request",
    { isIdempotent: ({ request }) => request.headers?.has("idempotency-key") === true },
    "POST",
    3,
  ],
  ["a call of gRPC is made once", {}, "/shop.Stock/Get", 1],
  ["unless the program names it", { methods: ["/shop.Stock/Get"] }, "/shop.Stock/Get", 3],
  ["a status that is not in the list is an answer", { statuses: [502] }, "GET", 1],
])("%s", async (_what, options, method, attempts) => {
  await using world = await answering([retry(options)], busyUntil(9));
  const end = ended(world.exchanger.request({ method, headers: new Map([["idempotency-key", "7"]]) }));
  await world.pass(1_000);
  expect(await end).toBe(503);
  expect(world.attempts).toHaveLength(attempts);
});

test("what was never sent is sent again whatever it is; what may have been, only where that is safe", async () => {
  for (const [code, method, attempts] of [
    ["connection-refused", "POST", 3],
    ["connection-reset", "POST", 1],
    ["connection-reset", "PUT", 3],
    ["invalid-argument", "GET", 1],
  ] as const) {
    let tried = 0;
    const counting: Interceptor = {
      exchange: (next) => (call) => {
        tried++;
        return next(call);
      },
    };
    await using world = await answering([retry(), counting, failing(code)], busyUntil(1));
    const end = ended(world.exchanger.request({ method }));
    await world.pass(1_000);
    expect([await end, tried]).toEqual([code, attempts]);
  }
});

test("the bytes of a body are those of the call, whatever the caller does to them; chunks are sent once", async () => {
  const bodies: string[] = [];
  await using world = await answering([retry()], (exchange, count) => {
    void exchange.body.bytes().then((bytes) => {
      bodies.push(new TextDecoder().decode(bytes));
      exchange.respond({ status: count < 2 ? 503 : 200 });
    });
  });
  const body = new TextEncoder().encode("one");
  const end = ended(world.exchanger.request({ method: "PUT", body }));
  body.fill(0);
  await world.pass(1_000);
  expect([await end, ...bodies]).toEqual([200, "one", "one"]);

  await using other = await answering([retry()], busyUntil(9));
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    yield new Uint8Array([1]);
  }
  expect(await ended(other.exchanger.request({ method: "PUT", body: chunks() }))).toBe(503);
  expect(other.attempts).toHaveLength(1);
});

test("the peer's Retry-After is the shortest wait; one past the deadline is not waited for", async () => {
  await using world = await answering([retry()], (exchange, count) => {
    exchange.respond(count === 1 ? { status: 503, headers: new Map([["retry-after", "2"]]) } : { status: 200 });
  });
  const end = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(5_000);
  expect([await end, world.attempts[1]?.atMs]).toEqual([200, 2_000]);

  await using late = await answering([retry()], (exchange) => {
    const date = new Date(late.clock.wallTime() + 60_000).toUTCString();
    exchange.respond({ status: 503, headers: new Map([["retry-after", date]]) });
  });
  expect(await ended(late.exchanger.request({ method: "GET" }, { timeoutMs: 5_000 }))).toBe(503);
  expect(late.attempts).toHaveLength(1);
});

test("gRPC's pushback is the shortest wait; a negative one, or one that is no number, ends the attempts", async () => {
  const pushing = (value: string): ReturnType<typeof answering> =>
    answering([retry()], (exchange, count) => {
      exchange.respond({ status: count === 1 ? 503 : 200, headers: new Map([["grpc-retry-pushback-ms", value]]) });
    });
  await using world = await pushing("1500");
  const end = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(5_000);
  expect([await end, world.attempts[1]?.atMs]).toEqual([200, 1_500]);
  for (const value of ["-1", "soon", ""]) {
    await using refused = await pushing(value);
    expect([value, await ended(refused.exchanger.request({ method: "GET" }))]).toEqual([value, 503]);
    expect(refused.attempts).toHaveLength(1);
  }
});

test("one deadline for all attempts together", async () => {
  await using world = await answering([retry({ maxAttempts: 9 })], (exchange, count) => {
    if (count < 3) exchange.respond({ status: 503 });
  });
  const end = ended(world.exchanger.request({ method: "GET" }, { timeoutMs: 1_000 }));
  await world.pass(2_000);
  expect(await end).toBe("timed-out");
  expect(world.attempts.map(({ call }) => call.options.timeoutMs)).toEqual([1_000, 950, 750]);
});

test("who gives up between two attempts is not kept waiting, and no timer stays behind", async () => {
  await using world = await answering([retry()], busyUntil(9));
  const before = world.clock.pending;
  const giveUp = new AbortController();
  const end = ended(world.exchanger.request({ method: "GET" }, { signal: giveUp.signal }));
  await turns();
  giveUp.abort();
  expect(await end).toBe("aborted");
  expect(world.clock.pending).toBe(before);
});

test("the budget: no more repetitions than a share of the calls, and a fixed number besides", async () => {
  const budget = { perSecond: 1, share: 0.5 };
  await using world = await answering([retry({ maxAttempts: 2, budget })], busyUntil(1_000));
  const ends = Array.from({ length: 100 }, () => ended(world.exchanger.request({ method: "GET" })));
  await world.pass(1_000);
  await Promise.all(ends);
  expect(world.attempts).toHaveLength(100 + 10 + 50);
  // What they used is given back as time goes by.
  await world.pass(11_000);
  const more = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(1_000);
  expect([await more, world.attempts.length]).toEqual([503, 162]);
});

test("dials too, where the program says so: the first of a connection, and none that cannot get better", async () => {
  for (const [code, attempts] of [
    ["connection-refused", 3],
    ["tls-verify-failed", 1],
  ] as const) {
    const clock = new ManualClock();
    let tried = 0;
    const refusing: Interceptor = {
      dial: (next) => async (call) => {
        call.metadata.set(`attempt-${++tried}`, "");
        if (tried < 3) throw new PolywireError(code, "as told");
        return next(call);
      },
    };
    const interceptors = [retry({ dials: true }), refusing];
    await using network = new Network({ protocols: [memory()], interceptors, clock, random: () => 0.5 });
    const heard: string[][] = [];
    await network.listen("memory://echo", {
      admit: ({ headers }) => {
        heard.push([...(headers?.keys() ?? [])]);
        return { accepted: true };
      },
      link: echo,
    });
    const outcome = network.connect("memory://echo").then(
      () => "ready",
      (error: PolywireError) => error.code,
    );
    await clock.advanceSettled(1_000, turns);
    expect([await outcome, tried]).toEqual([attempts === 1 ? code : "ready", attempts]);
    // What was added for an attempt that failed is not in the next.
    if (attempts > 1) expect(heard).toEqual([["attempt-3"]]);
  }
});

test.each<[RetryOptions, string]>([
  [{ maxAttempts: 0 }, "maxAttempts is 0: give a positive integer"],
  [{ baseMs: -1 }, "baseMs is -1"],
  [{ statuses: [42] }, "statuses is an array: give an array of statuses from 100 to 599"],
  [{ methods: "POST" as never }, 'methods is "POST": give an array of methods'],
  [{ budget: { share: -1 } }, "budget.share is -1"],
  [{ attempts: 3 } as never, 'unknown option "attempts"'],
])("an option that is wrong is named: %o", (options, message) => {
  expect(() => retry(options)).toThrow(message);
});
