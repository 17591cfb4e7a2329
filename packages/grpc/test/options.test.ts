import { Network } from "@polywire/core";
import { expect, test } from "vitest";
import { type GrpcListenOptions, type GrpcOptions, grpc } from "../src/index.ts";
import { echo, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;

test("a wrong option of the factory is named", () => {
  const wrong: readonly [unknown, RegExp][] = [
    [{ keepAlive: false }, /unknown option "keepAlive": did you mean "keepalive"/],
    [{ keepalive: { interval: 1 } }, /keepalive\.interval/],
    [{ keepalive: { intervalMs: 0 } }, /keepalive\.intervalMs is 0/],
    [{ keepalive: true }, /keepalive is true/],
    [{ windowBytes: -1 }, /windowBytes is -1/],
    [{ windowBytes: 2 ** 31 }, /windowBytes is 2147483648/],
    [{ maxMetadataBytes: "8k" }, /maxMetadataBytes is "8k"/],
    [{ maxSessionMegabytes: 0.5 }, /maxSessionMegabytes is 0\.5/],
    [null, /grpc\(\) is null/],
  ];
  for (const [options, message] of wrong) expect(() => grpc(options as GrpcOptions)).toThrow(message);
});

test("options are neither changed nor kept", () => {
  const options = Object.freeze({ keepalive: Object.freeze({ intervalMs: 5_000 }), windowBytes: 100_000 });
  expect(() => grpc(options)).not.toThrow();
});

test("a wrong option of a dial or a listener is named at the call", { timeout: TIMEOUT_MS }, async () => {
  await using network = new Network({ protocols: [grpc()] });
  const dials: readonly [string, object, RegExp][] = [
    ["grpc://127.0.0.1:1/a.B/C", { header: {} }, /unknown option "header": did you mean "headers"/],
    ["grpc://127.0.0.1:1/a.B/C", { headers: { "grpc-timeout": "1S" } }, /metadata "grpc-timeout": it belongs to gRPC/],
    ["grpc://127.0.0.1:1/a.B/C", { headers: { "x y": "1" } }, /metadata "x y"/],
    ["grpc://127.0.0.1:1/a.B/C", { headers: { "x-y": "ü\r\nsecret" } }, /metadata "x-y": values are printable ASCII/],
    [
      "grpc://127.0.0.1:1/a.B/C",
      { headers: { "x-bin": "%%" } },
      /metadata "x-bin": names that end in -bin hold base64/,
    ],
    ["grpc://127.0.0.1:1/a.B/C", { headers: { "x-y": 1 } }, /metadata "x-y": give a string/],
    ["grpc://127.0.0.1:1/a.B/C", { awaitServer: 1 }, /awaitServer is 1/],
    ["grpc://127.0.0.1:1/", {}, /names no method/],
    ["grpc://127.0.0.1:1/a.B/", {}, /names no method/],
    ["grpc:/a.B/C", {}, /names no host/],
  ];
  for (const [url, options, message] of dials) {
    const dialled = network.connect(url as "grpc://host/", options);
    await expect(dialled).rejects.toThrow(message);
    await expect(network.connect(url as "grpc://host/", options)).rejects.toMatchObject({ code: "invalid-argument" });
  }
  const listens: readonly [object, RegExp][] = [
    [{ carries: "link" }, /carries is "link": did you mean "links"/],
    [{ maxStreams: 0 }, /maxStreams is 0/],
    [{ maxConnectionAgeMs: Number.POSITIVE_INFINITY }, /maxConnectionAgeMs is Infinity/],
    [{ health: "yes" }, /health is "yes"/],
    [{ idleTimeoutMs: -5 }, /idleTimeoutMs is -5/],
    [{ backlog: 5 }, /unknown option "backlog"/],
  ];
  for (const [options, message] of listens) {
    const bound = network.listen("grpc://127.0.0.1:0/a.B/C", () => {}, options as GrpcListenOptions);
    await expect(bound).rejects.toThrow(message);
  }
});

test("a wrong request is named at the call, without its values", { timeout: TIMEOUT_MS }, async () => {
  const url = "grpc://127.0.0.1:0/test.Service/Echo";
  await using serving = await Serving.start({ url, handler: { exchange: echo } });
  const exchanger = await serving.network.open(`grpc://${serving.address}/test.Service/Echo`);
  const wrong = (message: RegExp) =>
    expect.objectContaining({ code: "invalid-argument", message: expect.stringMatching(message) });
  await expect(exchanger.request({ method: "GET" })).rejects.toEqual(wrong(/method is "GET"/));
  await expect(exchanger.request({ method: "/a/../b" })).rejects.toEqual(wrong(/names no method/));
  await expect(exchanger.request({ method: "/a.B/" })).rejects.toEqual(wrong(/names no method/));
  await expect(exchanger.request({ method: "POST", body: 5 as unknown as string })).rejects.toEqual(wrong(/number/));
  const secret = exchanger.request({ method: "POST", headers: new Map([["x-token", "secr\u00e9t"]]) });
  await expect(secret).rejects.toSatisfy((error) => !String(error).includes("secr"));
  await expect(exchanger.request({ method: "POST" }, { timeoutMs: 0 })).rejects.toEqual(wrong(/timeoutMs is 0/));
  const large = exchanger.request({ method: "POST", body: new Uint8Array(1_048_577) });
  await expect(large).rejects.toMatchObject({ code: "too-large" });
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(100_000);
  }
  await expect(exchanger.request({ method: "POST", body: endless() })).rejects.toMatchObject({ code: "too-large" });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new Error("no more");
  }
  await expect(exchanger.request({ method: "POST", body: failing() })).rejects.toThrow("no more");
  // Without a path it is that of the endpoint.
  expect((await exchanger.request({ method: "POST", body: "fine" })).status).toBe(200);
  await exchanger.close();
});
