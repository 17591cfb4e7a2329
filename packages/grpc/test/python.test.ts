import { Network, type Pingable } from "@polywire/core";
import { expect, test } from "vitest";
import { checkHealth, grpc, watchHealth } from "../src/index.ts";
import { PythonPeer } from "./python-peer.ts";
import { echo, OpenLink, Serving } from "./serving.ts";

/** Python starts slowly on a busy machine. */
const TIMEOUT_MS = 60_000;

const CLIENT = `
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
`;

test("a Python client talks to a link: messages, half-close, the end", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await using python = PythonPeer.start(
    `${CLIENT}
import queue
sending = queue.Queue()
call = channel.stream_stream("/test.Service/Talk")(iter(sending.get, None), metadata=(("x-question", "why"), ("x-bytes-bin", b"\\x00\\xff")))
print("head", dict(call.initial_metadata()).get("content-type", "none"))
for text in [b"one", b"", b"\\x00" * 100000]:
    sending.put(text)
    print(len(next(call)))
sending.put(None)
print(next(call).decode())
print(next(call, "no more"), call.code().name, call.details())
`,
    serving.address,
  );
  const link = await serving.next();
  link.onMessage = (payload) => link.link.send(payload);
  link.onEnded = () => {
    link.link.send("goodbye");
    link.link.close();
  };
  expect(await python.rest()).toEqual(["head none", "3", "0", "100000", "goodbye", "no more OK "]);
  expect(await link.closed).toMatchObject({ by: "local", clean: true, bytesLost: 0 });
});

test("a Python client that cancels, and one that is refused", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({
    handler: {
      admit: ({ headers }) =>
        headers?.get("x-question") === "why" ? { accepted: true } : { accepted: false, status: 403, reason: "not yöu" },
    },
  });
  await using python = PythonPeer.start(
    `${CLIENT}
import threading
method = channel.stream_stream("/test.Service/Talk")
forever = threading.Event()
def wait():
    forever.wait()
    yield b""
call = method(wait(), metadata=(("x-question", "why"),))
call.initial_metadata()
call.cancel()
refused = method(iter([]))
print(refused.code().name, refused.details())
`,
    serving.address,
  );
  const link = await serving.next();
  expect(await link.closed).toMatchObject({ by: "remote", clean: false, error: { code: "connection-reset" } });
  expect(await python.line()).toBe("PERMISSION_DENIED not yöu");
});

test("a Python client's unary calls: metadata, statuses, compression, deadlines", { timeout: TIMEOUT_MS }, async () => {
  const aborted: string[] = [];
  await using serving = await Serving.start({
    url: "grpc://127.0.0.1:0/test.Service/",
    handler: {
      exchange: (exchange) => {
        if (exchange.path.endsWith("/Never")) exchange.signal.addEventListener("abort", () => aborted.push("aborted"));
        else if (exchange.path.endsWith("/Stream")) {
          const link = exchange.stream({ status: 200 });
          link.open({ message() {}, closed() {} });
          for (let index = 0; index < 5; index++) link.send(`part ${index}`);
          link.close();
        } else void echo(exchange);
      },
    },
  });
  await using python = PythonPeer.start(
    `${CLIENT}
def unary(name, body=b"", **more):
    return channel.unary_unary("/test.Service/" + name).with_call(body, **more)
answer, call = unary("Echo", b"hello", metadata=(("x-question", "why"),))
print(answer.decode(), dict(call.initial_metadata())["x-seen"], call.code().name)
for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
    answer, call = unary("Echo", b"z" * 100000, compression=compression)
    print(answer == b"z" * 100000)
for status in (401, 403, 404, 429, 503, 418):
    try:
        unary("Echo", b"because", metadata=(("x-answer-status", str(status)),))
    except grpc.RpcError as error:
        print(status, error.code().name)
try:
    unary("Never", timeout=0.2)
except grpc.RpcError as error:
    print(error.code().name)
print(",".join(part.decode() for part in channel.unary_stream("/test.Service/Stream")(b"")))
try:
    channel.unary_unary("/other.Service/Method")(b"")
except grpc.RpcError as error:
    print(error.code().name)
`,
    serving.address,
  );
  expect(await python.rest()).toEqual([
    "hello why OK",
    "True",
    "True",
    "401 UNAUTHENTICATED",
    "403 PERMISSION_DENIED",
    "404 NOT_FOUND",
    "429 RESOURCE_EXHAUSTED",
    "503 UNAVAILABLE",
    "418 INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "part 0,part 1,part 2,part 3,part 4",
    "UNIMPLEMENTED",
  ]);
  expect(aborted).toEqual(["aborted"]);
});

test("a Python client checks and watches our health", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await using python = PythonPeer.start(
    `${CLIENT}
check = channel.unary_unary("/grpc.health.v1.Health/Check")
print(check(b"").hex(), check(b"\\x0a\\x0ctest.Service").hex())
try:
    check(b"\\x0a\\x03who")
except grpc.RpcError as error:
    print(error.code().name)
watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
unknown = watch(b"\\x0a\\x03who")
print(next(unknown).hex())
known = watch(b"\\x0a\\x0ctest.Service")
print(next(known).hex())
print(next(known).hex())
try:
    next(known)
except grpc.RpcError as error:
    print(error.code().name)
`,
    serving.address,
  );
  // 08 01 is SERVING, 08 03 SERVICE_UNKNOWN, 08 02 NOT_SERVING.
  expect(await python.line()).toBe("0801 0801");
  expect(await python.line()).toBe("NOT_FOUND");
  expect(await python.line()).toBe("0803");
  expect(await python.line()).toBe("0801");
  await serving.network.close({ timeoutMs: 2_000 });
  expect(await python.line()).toBe("0802");
  expect(await python.line()).toBe("UNAVAILABLE");
});

const SERVER = `
import sys, grpc, time
from concurrent import futures
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        name = details.method
        if name == "/test.Service/Eager":
            return grpc.stream_stream_rpc_method_handler(eager)
        if name == "/test.Service/Talk":
            return grpc.stream_stream_rpc_method_handler(talk)
        if name == "/test.Service/Deny":
            return grpc.stream_stream_rpc_method_handler(deny)
        if name == "/test.Service/Echo":
            return grpc.unary_unary_rpc_method_handler(echo)
        if name == "/test.Service/Fail":
            return grpc.unary_unary_rpc_method_handler(fail)
        if name == "/test.Service/Slow":
            return grpc.unary_unary_rpc_method_handler(slow)
        if name == "/test.Service/Count":
            return grpc.unary_stream_rpc_method_handler(count)
        if name == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\\x08\\x02")
        return None
def eager(requests, context):
    for request in requests:
        yield request
def talk(requests, context):
    context.send_initial_metadata((("x-kept", "yes"),))
    for request in requests:
        yield request
    yield b"you have ended"
def deny(requests, context):
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
    yield b""
def echo(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-seen", metadata.get("x-question", "none")),))
    context.set_trailing_metadata((("x-trailer", "late"),))
    return request
def fail(request, context):
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "tr\\u00f6p much")
def slow(request, context):
    print("remaining", context.time_remaining() < 1)
    time.sleep(30)
def count(request, context):
    for number in range(1000):
        yield str(number).encode()
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((Handler(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port)
sys.stdin.read()
`;

test("a link to a Python server", { timeout: TIMEOUT_MS }, async () => {
  await using python = PythonPeer.start(SERVER);
  const address = `127.0.0.1:${await python.line()}`;
  await using network = new Network({ protocols: [grpc()] });
  const link = OpenLink.dialled(await network.connect(`grpc://${address}/test.Service/Talk`, { reconnect: false }));
  // Ten times as many questions as a C server would forgive of pings (gRPC's keepalive guide: two).
  for (let count = 0; count < 20; count++) {
    const answer = new Promise<number | undefined>((resolve) => void (link.link as unknown as Pingable).ping(resolve));
    expect(await answer).toBeGreaterThan(0);
  }
  link.link.send("hello");
  link.link.send(new Uint8Array(100_000));
  await link.until(() => link.messages.length === 2);
  expect(link.texts[0]).toBe("hello");
  (link.link as unknown as { end(): void }).end();
  expect(await link.closed).toMatchObject({ by: "remote", clean: true, bytesLost: 0 });
  expect(link.texts[2]).toBe("you have ended");
  expect(link.ends).toBe(1);

  const denied = network.connect(`grpc://${address}/test.Service/Deny`);
  await expect(denied).rejects.toThrow(/403 \(PERMISSION_DENIED 7\): not you/);
  await expect(network.connect(`grpc://${address}/test.Service/Nothing`)).rejects.toThrow(/UNIMPLEMENTED 12/);

  // It says nothing before it has heard something.
  const eager = OpenLink.dialled(
    await network.connect(`grpc://${address}/test.Service/Eager`, { awaitServer: false, reconnect: false }),
  );
  eager.link.send("first");
  await eager.until(() => eager.messages.length === 1);
  eager.link.close();
  expect(await eager.closed).toMatchObject({ by: "local", clean: true });
  const refused = OpenLink.dialled(
    await network.connect(`grpc://${address}/test.Service/Nothing`, { awaitServer: false, reconnect: false }),
  );
  expect(await refused.closed).toMatchObject({ by: "remote", code: 12, error: { code: "connection-reset" } });
});

test("requests to a Python server", { timeout: TIMEOUT_MS }, async () => {
  await using python = PythonPeer.start(SERVER);
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://127.0.0.1:${await python.line()}/`, {
    headers: { "x-question": "why" },
  });
  const answer = await exchanger.request({ method: "/test.Service/Echo", body: "hello" });
  expect(answer.status).toBe(200);
  expect(Buffer.from(await answer.body.bytes()).toString()).toBe("hello");
  expect(answer.headers.get("x-seen")).toBe("why");
  expect(answer.headers.get("x-trailer")).toBe("late");
  expect(answer.headers.get("grpc-status")).toBe("0");

  const failed = await exchanger.request({ method: "/test.Service/Fail" });
  expect(failed.status).toBe(429);
  expect(failed.headers.get("grpc-status")).toBe("8");
  expect(failed.headers.get("grpc-message")).toBe("tr%C3%B6p much");

  const slow = exchanger.request({ method: "/test.Service/Slow" }, { timeoutMs: 300 });
  await expect(slow).rejects.toMatchObject({ code: "timed-out" });
  expect(await python.line()).toBe("remaining True");

  const counted: string[] = [];
  for await (const message of (await exchanger.request({ method: "/test.Service/Count" })).body)
    counted.push(Buffer.from(message).toString());
  expect(counted).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)));

  expect(await checkHealth(exchanger)).toBe("NOT_SERVING");
  await expect(watchHealth(exchanger).next()).rejects.toMatchObject({ code: "unsupported" });
  await exchanger.close();
});
