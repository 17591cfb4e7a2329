// The spans of every wire that carries headers, over real sockets. Their names and attributes are tested in packages/metrics.

import { context, propagation, type Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { type Link, Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { tracing } from "@polywire/metrics/opentelemetry";
import { ws } from "@polywire/ws";
import { expect, test } from "vitest";

const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** Two programs: what they share is the wire. */
function twoPrograms() {
  const open = (tracer: Tracer) => new Network({ protocols: [http(), grpc(), ws()], interceptors: [tracing(tracer)] });
  const client = open(provider.getTracer("client"));
  const server = open(provider.getTracer("server"));
  exporter.reset();
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

/** What one of them has told. */
function spansOf(name: "client" | "server"): ReadableSpan[] {
  return exporter.getFinishedSpans().filter(({ instrumentationScope }) => instrumentationScope.name === name);
}

function expectOneTrace(): { client: ReadableSpan; server: ReadableSpan } {
  const [client, ...moreOfClient] = spansOf("client");
  const [server, ...moreOfServer] = spansOf("server");
  expect([moreOfClient, moreOfServer]).toEqual([[], []]);
  if (client === undefined || server === undefined) return expect.unreachable("there is a span on either side");
  expect(server.spanContext().traceId).toBe(client.spanContext().traceId);
  expect(server.parentSpanContext?.spanId).toBe(client.spanContext().spanId);
  expect(server.parentSpanContext?.isRemote).toBe(true);
  return { client, server };
}

test("HTTP: the server's span is the child of the client's", async () => {
  await using world = twoPrograms();
  const { endpoint } = await world.server.listen("http://127.0.0.1:0", {
    exchange: (exchange) => exchange.respond({ status: 201 }),
  });
  const exchanger = await world.client.open(`http://127.0.0.1:${endpoint.port}`);
  const headers = new Map([["x-mine", "stays"]]);
  const response = await exchanger.request({ method: "PUT", path: "/things/7?key=secret", headers });
  await response.body.bytes();
  const { client, server } = expectOneTrace();
  expect([client.name, server.name]).toEqual(["PUT", "PUT"]);
  expect(client.attributes).toEqual({
    "http.request.method": "PUT",
    "http.response.status_code": 201,
    "network.protocol.name": "http",
    "server.address": "127.0.0.1",
    "server.port": endpoint.port,
    "url.full": `http://127.0.0.1:${endpoint.port}/things/7`,
  });
  expect(server.attributes).toMatchObject({ "url.path": "/things/7", "network.peer.address": "127.0.0.1" });
});

test("gRPC: the trace goes as metadata", async () => {
  await using world = twoPrograms();
  const { endpoint } = await world.server.listen("grpc://127.0.0.1:0", {
    exchange: (exchange) => exchange.respond({ status: exchange.path === "/shop.Stock/Get" ? 200 : 503 }, "7"),
  });
  const exchanger = await world.client.open(`grpc://127.0.0.1:${endpoint.port}`);
  await (await exchanger.request({ method: "/shop.Stock/Get", body: "" })).body.bytes();
  const { client, server } = expectOneTrace();
  expect([client.name, server.name]).toEqual(["shop.Stock/Get", "shop.Stock/Get"]);
  for (const { attributes } of [client, server]) {
    expect(attributes).toMatchObject({
      "rpc.system.name": "grpc",
      "rpc.method": "shop.Stock/Get",
      "rpc.response.status_code": "OK",
    });
  }
  exporter.reset();
  await exchanger.request({ method: "/shop.Stock/Put", body: "" });
  const failed = expectOneTrace();
  for (const { attributes } of [failed.client, failed.server]) {
    expect(attributes).toMatchObject({ "rpc.response.status_code": "UNAVAILABLE", "error.type": "UNAVAILABLE" });
  }
});

test.each(["ws", "grpc"] as const)("%s: the trace goes with the handshake of a link", async (scheme) => {
  await using world = twoPrograms();
  const arrived = Promise.withResolvers<Link>();
  const url = (port: number | undefined): string => `${scheme}://127.0.0.1:${port}/chat.Chat/Talk`;
  const link = (each: Link): void => {
    each.open({ message: (payload) => void each.send(payload), closed() {} });
    arrived.resolve(each);
  };
  const { endpoint } = await world.server.listen(url(0), { link });
  const connection = await world.client.connect(url(endpoint.port));
  const heard = new Promise((resolve) => void connection.on("data", resolve));
  connection.send("hello");
  await Promise.all([arrived.promise, heard]);
  const { client, server } = expectOneTrace();
  expect([client.name, server.name]).toEqual([`dial ${scheme}`, `accept ${scheme}`]);
  expect(server.attributes).toMatchObject({ "url.path": "/chat.Chat/Talk", "network.peer.address": "127.0.0.1" });
});
