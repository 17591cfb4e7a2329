import { trace } from "@opentelemetry/api";
import { type Handler, type Link, Network, type PolywireError } from "@polywire/core";
import { retry } from "@polywire/core/interceptors";
import { memory } from "@polywire/core/memory";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { tracing } from "../src/opentelemetry.ts";
import { line, startTracing } from "./spans.ts";

const spans = startTracing();

function traced(handler: Handler, url: `memory://${string}` = "memory://api") {
  const network = new Network({ protocols: [memory()], interceptors: [tracing(spans.tracer)] });
  return { network, listening: network.listen(url, handler), [Symbol.asyncDispose]: () => network.close() };
}

test("a request: a span on either side, of one trace, and what the handler does is within it", async () => {
  await using world = traced({
    exchange: async (exchange) => {
      await spans.within("look it up", async () => {});
      exchange.respond({ status: 200 });
    },
  });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  await spans.within("page", async () => {
    await exchanger.request({ method: "GET", path: "/things?token=secret" });
  });
  const [inner, server, client, page] = spans.take();
  expect([inner, server, client, page].map((span) => span && line(span))).toEqual([
    "internal look it up",
    "server GET",
    "client GET",
    "internal page",
  ]);
  const ids = [inner, server, client].map((span) => span?.parentSpanContext?.spanId);
  expect(ids).toEqual([server, client, page].map((span) => span?.spanContext().spanId));
  expect(server?.spanContext().traceId).toBe(page?.spanContext().traceId);
  expect(client?.attributes).toEqual({
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "network.protocol.name": "memory",
    "server.address": "api",
    "url.full": "memory://api/things",
  });
  expect(server?.attributes).toEqual({
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "network.peer.address": "memory",
    "network.protocol.name": "memory",
    "url.path": "/things",
    "url.scheme": "http",
  });
});

test("what a handler throws is told by its code alone, on either side by what that side knows", async () => {
  await using world = traced({
    exchange: () => {
      throw new Error("secret");
    },
  });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  expect((await exchanger.request({ method: "GET", path: "/things" })).status).toBe(500);
  const told = spans.take();
  expect(told.map(line)).toEqual(["server GET ! internal", "client GET ! 500"]);
  expect(JSON.stringify(told.map(({ attributes, status, events }) => ({ attributes, status, events })))).not.toContain(
    "secret",
  );
});

test("a status is the client's error from 400 on, the server's from 500 on", async () => {
  let status = 399;
  await using world = traced({ exchange: (exchange) => exchange.respond({ status }) });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  for (status of [399, 400, 499, 500]) await exchanger.request({ method: "GET" });
  expect(spans.take().map(line)).toEqual([
    "server GET",
    "client GET",
    "server GET",
    "client GET ! 400",
    "server GET",
    "client GET ! 499",
    "server GET ! 500",
    "client GET ! 500",
  ]);
});

test("a call by its full name is an RPC; its status has a name", async () => {
  await using world = traced({ exchange: (exchange) => exchange.respond({ status: 404 }) });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  await exchanger.request({ method: "/shop.Stock/Get" });
  const [server, client] = spans.take();
  // Not to have it is not the server's fault.
  expect([server, client].map((span) => span && line(span))).toEqual([
    "server shop.Stock/Get",
    "client shop.Stock/Get ! NOT_FOUND",
  ]);
  expect(server?.attributes).toMatchObject({
    "rpc.system.name": "memory",
    "rpc.method": "shop.Stock/Get",
    "rpc.response.status_code": "NOT_FOUND",
  });
});

test("a method that nobody knows names no span", async () => {
  await using world = traced({ exchange: (exchange) => exchange.respond({ status: 200 }) });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  await exchanger.request({ method: "BREW" });
  const [server] = spans.take();
  expect(server?.name).toBe("HTTP");
  expect(server?.attributes).toMatchObject({
    "http.request.method": "_OTHER",
    "http.request.method_original": "BREW",
  });
});

test("a peer that goes before its answer ends the span", async () => {
  const gone = new AbortController();
  await using world = traced({ exchange: () => gone.abort() });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  const asked = exchanger.request({ method: "GET" }, { signal: gone.signal });
  await expect(asked).rejects.toMatchObject({ code: "aborted" });
  expect(spans.take().map(line)).toEqual(["server GET ! connection-reset", "client GET ! aborted"]);
});

test("an answer that is a stream ends the span where it begins", async () => {
  await using world = traced({
    exchange: (exchange) => {
      const link = exchange.stream({ status: 200 });
      link.open({ message() {}, closed() {} });
      link.send("more to come");
    },
  });
  await world.listening;
  const exchanger = await world.network.open("memory://api");
  const gone = new AbortController();
  await exchanger.request({ method: "GET" }, { signal: gone.signal });
  expect(spans.take().map(line)).toEqual(["server GET", "client GET"]);
  gone.abort();
});

test("a dial and the link that arrives by it", async () => {
  let handled: string | undefined;
  const link = (arrived: Link): void => {
    handled = trace.getActiveSpan()?.spanContext().spanId;
    arrived.open({ message() {}, closed() {} });
  };
  await using world = traced({ link }, "memory://api/room");
  await world.listening;
  await world.network.connect("memory://api/room?token=secret");
  const told = spans.take();
  expect(told.map(line)).toEqual(["server accept memory", "client dial memory"]);
  const [server, client] = told;
  expect(server?.parentSpanContext?.spanId).toBe(client?.spanContext().spanId);
  expect(handled).toBe(server?.spanContext().spanId);
  expect(client?.attributes).toEqual({
    "network.protocol.name": "memory",
    "server.address": "api",
    "url.full": "memory://api/room",
  });
  expect(server?.attributes).toEqual({
    "network.protocol.name": "memory",
    "network.peer.address": "memory",
    "url.path": "/room",
  });
  await expect(world.network.connect("memory://nobody")).rejects.toMatchObject({ code: "connection-refused" });
  expect(spans.take().map(line)).toEqual(["client dial memory ! connection-refused"]);
});

test.each<[string, () => void]>([
  [
    "throws",
    (): never => {
      throw new Error("bug");
    },
  ],
  ["rejects", () => Promise.reject(new Error("bug"))],
])("a handler of links that %s: the span says so, and it is reported", async (_how, link) => {
  await using world = traced({ link });
  await world.listening;
  const errors: PolywireError[] = [];
  world.network.on("error", (error) => void errors.push(error));
  const connection = await world.network.connect("memory://api", { reconnect: false });
  await new Promise((resolve) => void connection.on("close", resolve));
  expect(spans.take().map(line)).toContain("server accept memory ! internal");
  expect(errors.map(({ message }) => message)).toEqual(['the handler of "memory://api" threw: bug']);
});

test("after retry in the list every attempt has a span, all of one parent", async () => {
  const clock = new ManualClock();
  const interceptors = [retry(), tracing(spans.tracer)];
  await using network = new Network({ protocols: [memory()], interceptors, clock, random: () => 0 });
  let count = 0;
  await network.listen("memory://api", {
    exchange: (exchange) => exchange.respond({ status: ++count === 1 ? 503 : 200 }),
  });
  const exchanger = await network.open("memory://api");
  await spans.within("page", async () => {
    const asked = exchanger.request({ method: "GET" });
    await clock.advanceSettled(1_000, () => new Promise((resolve) => void setTimeout(resolve, 0)));
    await asked;
  });
  const told = spans.take();
  expect(told.map(line)).toEqual(["server GET ! 503", "client GET ! 503", "server GET", "client GET", "internal page"]);
  const page = told[4]?.spanContext().spanId;
  expect([told[1], told[3]].map((span) => span?.parentSpanContext?.spanId)).toEqual([page, page]);
});
