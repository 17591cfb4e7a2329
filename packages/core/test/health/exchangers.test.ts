import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import {
  type Exchange,
  type Exchanger,
  type ExchangerVitalsOptions,
  type HealthChange,
  healthHandler,
  type Network,
  PolywireError,
  type QualityChange,
} from "../../src/index.ts";
import type { MemoryProtocol } from "../../src/memory.ts";
import { openNetwork, turns } from "../opened-network.ts";

/** A service whose answers a test chooses, and an exchanger that asks it. */
interface World extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: Network<readonly [MemoryProtocol]>;
  readonly exchanger: Exchanger;
  readonly paths: string[];
  readonly health: (HealthChange & { readonly endpoint: string })[];
  readonly quality: (QualityChange & { readonly endpoint: string })[];
  readonly log: { readonly message: string }[];
  /** What each request is answered with; `undefined`: nothing. */
  answer: number | undefined;
  /** How long each answer takes. */
  tookMs: number;
  /** Makes requests, one after the other, and waits for their answers. */
  ask(count: number, everyMs?: number): Promise<void>;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
}

async function world(options: ExchangerVitalsOptions = {}): Promise<World> {
  const clock = new ManualClock();
  const watched = openNetwork({ clock, random: () => 0.5 });
  const { network, log } = watched;
  const paths: string[] = [];
  const serve = (exchange: Exchange): void => {
    paths.push(exchange.path);
    if (there.answer !== undefined) exchange.respond({ status: there.answer });
  };
  await network.listen("memory://api", { exchange: serve });
  const exchanger = await network.open("memory://api", options);
  const there: World = {
    clock,
    network,
    exchanger,
    paths,
    health: [],
    quality: [],
    log,
    answer: 200,
    tookMs: 0,
    async ask(count, everyMs = 1_000) {
      for (let index = 0; index < count; index++) {
        const asked = exchanger.request({ method: "GET", path: "/work" });
        clock.advance(there.tookMs);
        await (await asked).body.bytes();
        await there.pass(everyMs);
      }
    },
    pass: (ms) => clock.advanceSettled(ms, turns),
    [Symbol.asyncDispose]: () => network.close(),
  };
  network.on("health", (change) => void there.health.push(change));
  network.on("quality", (change) => void there.quality.push(change));
  return there;
}

test("the requests of a program tell how good a service is", async () => {
  await using there = await world();
  const { exchanger, network } = there;
  expect(network.vitalsOf(exchanger)).toMatchObject({ health: { status: "unknown" }, quality: { level: "unknown" } });
  await there.ask(6);
  expect(network.vitalsOf(exchanger)).toMatchObject({
    health: { status: "healthy", checked: "unknown" },
    quality: { level: "excellent", score: 100, errors: 0, samples: 6 },
  });
  expect(there.quality).toMatchObject([{ endpoint: "memory://api", from: "unknown", to: "excellent" }]);
  expect(network.inspect().exchangers).toMatchObject([
    { id: "exch_00000001", protocol: "memory", endpoint: "memory://api", requests: 6, active: 0 },
  ]);
});

test("answers of 5xx are errors, and others are not", async () => {
  await using there = await world();
  there.answer = 404;
  await there.ask(6);
  expect(there.network.vitalsOf(there.exchanger).quality).toMatchObject({ level: "excellent", errors: 0 });
  there.answer = 500;
  await there.ask(12);
  const { quality } = there.network.vitalsOf(there.exchanger);
  expect(quality).toMatchObject({ level: "critical", worst: "errors" });
  expect(quality.errors).toBeGreaterThan(0.3);
});

test("slow answers are what is worst where nothing fails", async () => {
  await using there = await world();
  await there.ask(6);
  there.tookMs = 400;
  await there.ask(12);
  expect(there.network.vitalsOf(there.exchanger).quality).toMatchObject({ worst: "rtt", errors: 0 });
  expect(there.quality.at(-1)).toMatchObject({ to: "critical", worst: "rtt" });
});

test("five requests that fail in a row make a service unhealthy, one that succeeds makes it well", async () => {
  await using there = await world();
  await there.ask(1);
  there.answer = 503;
  await there.ask(4);
  expect(there.health.map(({ to }) => to)).not.toContain("unhealthy");
  await there.ask(1);
  expect(there.health.at(-1)).toMatchObject({ to: "unhealthy", cause: "its last 5 requests failed" });
  there.answer = 200;
  await there.ask(1);
  expect(there.health.at(-1)?.to).not.toBe("unhealthy");
});

test("a request that the program gives up is nobody's fault", async () => {
  await using there = await world();
  there.answer = undefined;
  for (let index = 0; index < 6; index++) {
    const abort = new AbortController();
    const asked = there.exchanger.request({ method: "GET" }, { signal: abort.signal });
    abort.abort();
    await expect(asked).rejects.toMatchObject({ code: "aborted" });
  }
  expect(there.network.vitalsOf(there.exchanger)).toMatchObject({
    health: { status: "unknown" },
    quality: { samples: 0 },
  });
});

test("a standstill of this process does not make a service slow", async () => {
  await using there = await world();
  await there.ask(6);
  for (let index = 0; index < 6; index++) {
    const asked = there.exchanger.request({ method: "GET" });
    there.clock.stall(5_000);
    await asked;
    await there.pass(1_000);
  }
  expect(there.quality.map(({ to }) => to)).toEqual(["excellent"]);
});

test("a service is asked for its health by a request of its own, which is no request of the program's", async () => {
  await using there = await world({ health: { check: { path: "/ready", status: [200, 204] }, intervalMs: 10_000 } });
  await there.pass(5_500);
  expect(there.paths).toEqual(["/ready"]);
  expect(there.network.vitalsOf(there.exchanger).health).toMatchObject({ status: "healthy", checked: "healthy" });
  expect(there.network.inspect().exchangers).toMatchObject([{ requests: 0 }]);
  there.answer = 302;
  await there.pass(11_000);
  expect(there.health.at(-1)).toMatchObject({
    to: "degraded",
    error: { code: "not-available", message: "GET /ready answered 302, not 200 or 204" },
  });
  // Asked more often until it is known what to make of it.
  await there.pass(12_000);
  expect(there.health.at(-1)).toMatchObject({ to: "unhealthy", cause: "it failed too many health checks" });
  there.answer = 204;
  await there.pass(60_000);
  expect(there.health.map(({ to }) => to)).toEqual(["healthy", "degraded", "unhealthy", "degraded", "healthy"]);
  expect(there.health.at(-2)).toMatchObject({ cause: "its requests are critical" });
  expect(there.log.filter(({ message }) => message === "exchanger health")).toHaveLength(5);
});

test("a check without an answer in time is a failed one; its request is given up", async () => {
  await using there = await world({ health: { check: { path: "/ready" }, intervalMs: 10_000, timeoutMs: 2_000 } });
  there.answer = undefined;
  await there.pass(8_000);
  expect(there.health.at(-1)).toMatchObject({
    to: "degraded",
    error: { code: "timed-out", message: "no answer to a health check within 2000 ms" },
  });
});

test("a check of the program's own decides, and one that throws has failed", async () => {
  let wrong: Error | undefined;
  const check = (): void => {
    if (wrong !== undefined) throw wrong;
  };
  await using there = await world({ health: { check, intervalMs: 1_000, unhealthyAfter: 2 } });
  await there.pass(1_500);
  expect(there.health.map(({ to }) => to)).toEqual(["healthy"]);
  wrong = new Error("the queue is full");
  await there.pass(4_000);
  expect(there.health.at(-1)).toMatchObject({ to: "unhealthy", error: { message: expect.stringContaining("queue") } });
  expect(there.network.vitalsOf(there.exchanger).quality.samples).toBe(0);
});

test("an exchanger that is being closed is draining, and then unknown to its network", async () => {
  await using there = await world();
  const { exchanger, network } = there;
  await exchanger.close();
  expect(there.health.at(-1)).toMatchObject({ to: "draining" });
  expect(network.inspect().exchangers).toEqual([]);
  expect(() => network.vitalsOf(exchanger)).toThrow("this network has no such exchanger");
  expect(there.clock.pending).toBe(0);
});

test.each([
  [{ health: { check: { path: 1 } } }, 'health.check.path is 1: give a path, such as "/health"'],
  [{ health: { check: { path: "/", method: 1 } } }, "health.check.method is 1"],
  [{ health: { check: { path: "/", status: 1_000 } } }, "health.check.status is 1000"],
  [{ health: { check: { path: "/", body: "" } } }, 'unknown option "health.check.body"'],
  [{ health: { check: "dial" } }, 'health.check is "dial"'],
  [{ health: { replace: true } }, 'unknown option "health.replace"'],
  [{ quality: { sampleIntervalMs: 1 } }, 'unknown option "quality.sampleIntervalMs"'],
  [{ quality: { profile: "rcp" } }, 'quality.profile is "rcp": give "realtime", "rpc"'],
])("a wrong option is named before anything is dialled: %j", async (options, message) => {
  await using watched = openNetwork();
  const opened = watched.network.open("memory://nobody", options as ExchangerVitalsOptions);
  await expect(opened).rejects.toThrow(message);
});

test("the health of a network is served: the worst first, 503 when something that is needed fails", async () => {
  await using there = await world();
  const { network } = there;
  await network.listen("memory://health", healthHandler(network));
  await network.listen(
    "memory://lenient",
    healthHandler(network, { optional: ({ endpoint }) => endpoint === "memory://api" }),
  );
  const asking = await network.open("memory://health");
  const lenient = await network.open("memory://lenient");
  const read = async (exchanger: Exchanger, method: string = "GET"): Promise<{ status: number; body: unknown }> => {
    const { status, body, headers } = await exchanger.request({ method });
    if (status !== 405) expect(headers.get("content-type")).toBe("application/health+json");
    const text = Buffer.from(await body.bytes()).toString();
    return { status, body: text === "" ? undefined : JSON.parse(text) };
  };
  expect(await read(asking)).toMatchObject({ status: 200, body: { status: "pass", output: "3 of 3 well" } });
  there.answer = 500;
  await there.ask(5);
  expect(await read(asking)).toEqual({
    status: 503,
    body: {
      status: "fail",
      output: "exchanger to memory://api is unhealthy",
      checks: {
        "memory://api:health": [
          { componentId: "exch_00000001", componentType: "exchanger", observedValue: "unhealthy", status: "fail" },
        ],
        "memory://health:health": [
          { componentId: "exch_00000002", componentType: "exchanger", observedValue: "healthy", status: "pass" },
        ],
        "memory://lenient:health": [
          { componentId: "exch_00000003", componentType: "exchanger", observedValue: "unknown", status: "pass" },
        ],
      },
    },
  });
  expect(await read(lenient)).toMatchObject({ status: 200, body: { status: "warn" } });
  expect(await read(asking, "POST")).toMatchObject({ status: 405 });
  expect(() => healthHandler(network, { maxEntries: 0 })).toThrow(PolywireError);
});
