import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type AnyProtocol, type Connection, type MetricFamily, Network, PolywireError } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { Histogram } from "../src/metrics/histogram.ts";
import { ManualClock } from "../src/testing.ts";
import { echo, openNetwork, turns } from "./opened-network.ts";

interface Counting {
  metrics(): readonly MetricFamily[];
}

/** `attributes → value` of one family, in short words. */
function figures(network: Counting, name: string): Record<string, number> {
  const family = network.metrics().find((each) => each.name === name);
  if (family === undefined) throw new Error(`there is no family ${name}`);
  return Object.fromEntries(
    family.points.map((point) => [
      Object.values(point.attributes).join(" "),
      "value" in point ? point.value : point.histogram.count,
    ]),
  );
}

test("before anything happens every family is there and empty", async () => {
  await using watched = openNetwork();
  const families = watched.network.metrics();
  expect(families.map(({ name }) => name)).toEqual([
    "polywire.connection.count",
    "polywire.connection.opened",
    "polywire.connection.closed",
    "polywire.connection.messages",
    "polywire.connection.refusals",
    "polywire.connection.lost",
    "polywire.connection.buffered",
    "polywire.connection.health",
    "polywire.connection.quality",
    "polywire.dial.active",
    "polywire.dial.ended",
    "polywire.dial.duration",
    "polywire.listener.count",
    "polywire.exchanger.count",
    "polywire.pool.link.count",
    "polywire.pool.link.max",
    "polywire.pool.link.idle.min",
    "polywire.pool.link.pending_requests",
    "polywire.pool.link.timeouts",
    "polywire.pool.link.create_time",
    "polywire.pool.link.wait_time",
    "polywire.pool.link.use_time",
    "polywire.pool.link.evicted",
    "polywire.admission.refusals",
    "polywire.listener.turned_away",
    "polywire.exchange.server.requests",
    "polywire.exchange.client.active",
    "polywire.exchange.client.duration",
    "polywire.exchanger.health",
    "polywire.exchanger.quality",
  ]);
  expect(families.flatMap(({ points }) => points).every((point) => "value" in point && point.value === 0)).toBe(true);
});

test("connections count for themselves while they live, and are counted for good when they are gone", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("hello");
  await heard;
  const during = {
    messages: figures(network, "polywire.connection.messages"),
    count: figures(network, "polywire.connection.count"),
  };
  expect(during).toEqual({
    messages: {
      "memory dialled receive": 1,
      "memory dialled transmit": 1,
      "memory accepted receive": 1,
      "memory accepted transmit": 1,
    },
    count: { "memory dialled ready": 1, "memory accepted ready": 1 },
  });
  expect(figures(network, "polywire.listener.count")).toEqual({ memory: 1 });

  await connection.close();
  await turns();
  connection.send("too late");
  expect(figures(network, "polywire.connection.messages")).toEqual(during.messages);
  expect(figures(network, "polywire.connection.count")).toEqual({});
  expect(figures(network, "polywire.connection.opened")).toEqual({ "memory dialled": 1, "memory accepted": 1 });
  expect(figures(network, "polywire.connection.closed")).toEqual({
    "memory dialled local": 1,
    "memory accepted remote": 1,
  });
});

test("what was refused, buffered and lost is counted", async () => {
  await using watched = openNetwork({ limits: { maxMessageBytes: 10, maxBufferedBytes: 100 } });
  const { network } = watched;
  await network.listen("memory://silent", (link) => {
    link.open({ message() {}, closed() {} });
    link.pause();
  });
  const connection = await network.connect("memory://silent");
  expect(connection.send("far too long for it")).toBe("refused");
  connection.send("123456");
  const held = connection.bufferedBytes;
  expect(held).toBeGreaterThanOrEqual(6);
  expect(figures(network, "polywire.connection.refusals")).toEqual({ "memory dialled": 1, "memory accepted": 0 });
  expect(figures(network, "polywire.connection.buffered")).toEqual({ "memory dialled": held, "memory accepted": 0 });
  const { bytesLost } = await connection.close({ discard: true });
  await turns();
  expect(bytesLost).toBe(held);
  expect(figures(network, "polywire.connection.lost")).toEqual({ "memory dialled": held, "memory accepted": 0 });
  expect(figures(network, "polywire.connection.buffered")).toEqual({ "memory dialled": 0, "memory accepted": 0 });
});

test("dials are counted by how they ended, and timed when they succeeded", async () => {
  const clock = new ManualClock();
  const wire = memory();
  const slow: AnyProtocol = {
    ...wire,
    links: {
      ...(wire.links as NonNullable<typeof wire.links>),
      dial: (endpoint, context) => {
        clock.advance(30);
        return (wire.links as NonNullable<typeof wire.links>).dial(endpoint, context as never);
      },
    },
  };
  await using network = new Network({ protocols: [slow], clock });
  await network.listen("memory://echo", echo);
  await network.connect("memory://echo");
  await expect(network.connect("memory://nobody")).rejects.toThrow(PolywireError);
  await expect(network.connect("memory://echo", { signal: AbortSignal.abort() })).rejects.toThrow(PolywireError);
  expect(figures(network, "polywire.dial.ended")).toEqual({
    memory: 1,
    "memory connection-refused": 1,
    "memory aborted": 1,
  });
  expect(network.metrics().find(({ name }) => name === "polywire.dial.duration")?.points).toMatchObject([
    { histogram: { count: 1, sum: 0.03, counts: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] } },
  ]);
});

test("requests are counted by what they ended with, on both sides", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://service", {
    exchange: (exchange) => exchange.respond({ status: exchange.path === "/found" ? 200 : 404 }),
  });
  const exchanger = await network.open("memory://service");
  await exchanger.request({ method: "GET", path: "/found" });
  await exchanger.request({ method: "GET", path: "/found" });
  await exchanger.request({ method: "GET", path: "/missing" });
  await expect(exchanger.request({ method: "GET" }, { signal: AbortSignal.abort() })).rejects.toThrow(PolywireError);
  expect(figures(network, "polywire.exchange.client.duration")).toEqual({
    "memory 2xx": 2,
    "memory 4xx": 1,
    "memory aborted": 1,
  });
  expect(figures(network, "polywire.exchange.client.active")).toEqual({ "": 0 });
  expect(figures(network, "polywire.exchange.server.requests")).toEqual({ memory: 3 });
  expect(figures(network, "polywire.exchanger.count")).toEqual({ memory: 1 });
  await exchanger.close();
  await turns();
  expect(figures(network, "polywire.exchanger.count")).toEqual({});
});

test("peers that were refused are counted, whether the check answers at once or later", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const refused = { accepted: false, status: 403, reason: "no" } as const;
  await network.listen("memory://now", { link: echo, admit: () => refused });
  await network.listen("memory://later", { link: echo, admit: async () => refused });
  await expect(network.connect("memory://now")).rejects.toThrow(PolywireError);
  await expect(network.connect("memory://later")).rejects.toThrow(PolywireError);
  expect(figures(network, "polywire.admission.refusals")).toEqual({ "memory 403": 2 });
});

test("peers that a listener turns away by itself are counted by why", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://full", { link: echo }, { limits: { maxLinks: 1 } });
  await network.connect("memory://full");
  await expect(network.connect("memory://full")).rejects.toThrow(PolywireError);
  expect(figures(network, "polywire.listener.turned_away")).toEqual({ "memory full": 1 });
});

test("services add their figures, and one that throws takes nobody else's away", async () => {
  const own: MetricFamily = {
    name: "shop.orders",
    description: "Orders.",
    unit: "{order}",
    kind: "counter",
    points: [{ attributes: {}, value: 3 }],
  };
  const broken = {
    name: "broken",
    metrics(): never {
      throw new Error("bug");
    },
  };
  await using watched = openNetwork({ services: [broken, { name: "shop", metrics: () => [own] }] });
  expect(watched.network.metrics().at(-1)).toBe(own);
  expect(watched.errors.map(({ message }) => message)).toEqual([
    expect.stringContaining('the service "broken" could not tell its figures'),
  ]);
});

test("no figure tells who, where or what: neither ids nor addresses nor paths", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://hidden-host/hidden-path", {
    link: echo,
    exchange: (each) => each.respond({ status: 200 }),
  });
  const connection = await network.connect("memory://user:hidden@hidden-host/hidden-path?token=hidden");
  const exchanger = await network.open("memory://hidden-host/hidden-path");
  await exchanger.request({ method: "HIDDEN", path: "/hidden-path" });
  await expect(network.connect("memory://hidden-nobody")).rejects.toThrow(PolywireError);
  const text = JSON.stringify(network.metrics());
  expect(text).not.toMatch(/hidden/i);
  expect(text).not.toContain(connection.id);
});

test("whatever comes and goes, no counter ever falls", async () => {
  const action = fc.constantFrom("connect", "send", "close", "cut", "refuse");
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
      await using watched = openNetwork({ limits: { maxMessageBytes: 10 } });
      const { network } = watched;
      await network.listen("memory://echo", echo);
      const open: Connection[] = [];
      let before = new Map<string, number>();
      for (const each of actions) {
        if (each === "connect") {
          const connection = await network.connect("memory://echo");
          connection.on("data", () => {});
          open.push(connection);
        } else if (each === "send") open.at(-1)?.send("hello");
        else if (each === "refuse") open.at(-1)?.send("much too long for it");
        else await open.pop()?.close({ discard: each === "cut" });
        const now = countersOf(network);
        expect([...before].filter(([name, value]) => (now.get(name) ?? 0) < value)).toEqual([]);
        before = now;
      }
    }),
    { numRuns: 50 },
  );
});

function countersOf(network: Counting): Map<string, number> {
  const counters = network.metrics().filter(({ kind }) => kind === "counter");
  return new Map(
    counters.flatMap(({ name, points }) =>
      points.map(
        (point) => [`${name} ${JSON.stringify(point.attributes)}`, "value" in point ? point.value : 0] as const,
      ),
    ),
  );
}

test("a bound belongs to what is below it, and what is above all has a place of its own", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0, 1, 1.5, 2, 2.1, 100]) histogram.record(value);
  expect(histogram.figures()).toEqual({ count: 6, sum: 106.6, bounds: [1, 2], counts: [2, 2, 2] });
});
