import { readFileSync } from "node:fs";
import { Network } from "@polywire/core";
import { checkHealth, grpc } from "@polywire/grpc";
import protobuf from "protobufjs";
import { describe, expect, it, test } from "vitest";
import { API_SCHEMA } from "../../scripts/protobuf-schema.ts";
import { METHODS } from "../../src/server-api/methods.ts";
import { protobufName } from "../../src/server-api/protobuf-messages.ts";
import { type ApiBench, apiBench, KEY, OTHER_KEY } from "./api-bench.ts";
import { SAMPLE_CHANNELS, SAMPLES, settle } from "./samples.ts";

const { root } = protobuf.parse(readFileSync(API_SCHEMA.proto, "utf8"), { keepCase: true });

/** Fields that are bytes in Protobuf and any value in JSON. */
const DATA_FIELDS: ReadonlySet<string> = new Set(["data", "info", "conn_info", "chan_info"]);

interface Called {
  readonly status: number;
  readonly grpcStatus: string | undefined;
  readonly message: string;
  readonly apiError: string | undefined;
  /** In the words of JSON; `undefined` for an error. */
  readonly result: unknown;
}

interface Caller extends AsyncDisposable {
  /** A call by its name in the API, with a request in the words of JSON. */
  call(method: string, request: object): Promise<Called>;
  /** The same by its path, with the bytes of a message. */
  send(path: string, body: Uint8Array): Promise<Called>;
  health(): Promise<string>;
}

async function caller(
  { grpcUrl }: ApiBench,
  metadata: Readonly<Record<string, string>> = { "x-api-key": KEY },
): Promise<Caller> {
  const network = new Network({ protocols: [grpc()], limits: { maxMessageBytes: 8_388_608 } });
  const exchanger = await network.open(grpcUrl, { headers: metadata });
  const send = async (path: string, body: Uint8Array, resultType?: protobuf.Type): Promise<Called> => {
    const response = await exchanger.request({ method: path, body });
    const bytes = await response.body.bytes(8_388_608);
    const { headers, status } = response;
    const isRead = status === 200 && resultType !== undefined;
    return {
      status,
      grpcStatus: headers.get("grpc-status"),
      message: decodeURIComponent(headers.get("grpc-message") ?? ""),
      apiError: headers.get("polywire-api-error"),
      result: isRead ? fromMessage(resultType.toObject(resultType.decode(bytes), { longs: Number })) : undefined,
    };
  };
  return {
    send,
    async call(method, request) {
      const name = protobufName(method);
      const requestType = root.lookupType(`polywire.api.v1.${name}Request`);
      const message = requestType.fromObject(toMessage(request) as Record<string, unknown>);
      const resultType = root.lookupType(`polywire.api.v1.${name}Result`);
      return await send(`/polywire.api.v1.ServerApi/${name}`, requestType.encode(message).finish(), resultType);
    },
    health: () => checkHealth(exchanger, "polywire.api.v1.ServerApi"),
    [Symbol.asyncDispose]: () => network.close(),
  };
}

/** JSON becomes bytes where Protobuf has them. `info` of the method's own name is a message. */
function toMessage(value: unknown, name = ""): unknown {
  if (DATA_FIELDS.has(name)) return Buffer.from(JSON.stringify(value));
  if (Array.isArray(value)) return value.map((one) => toMessage(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toMessage(one, key)]));
}

function fromMessage(value: unknown): unknown {
  if (value instanceof Uint8Array) return JSON.parse(Buffer.from(value).toString()) as unknown;
  if (Array.isArray(value)) return value.map(fromMessage);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fromMessage(one)]));
}

/** Protobuf leaves out what is zero, JSON what its table says. */
function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([key, one]) => [key, withoutZeros(one)] as const);
  return Object.fromEntries(
    kept.filter(
      ([, one]) => one !== 0 && one !== "" && !(Array.isArray(one) && one.length === 0) && JSON.stringify(one) !== "{}",
    ),
  );
}

async function samples(): Promise<ApiBench> {
  const bench = await apiBench({ channels: SAMPLE_CHANNELS });
  await settle(bench);
  return bench;
}

describe("over gRPC", () => {
  test.each([...METHODS.keys()])("%s answers the same as over HTTP", async (method) => {
    await using bench = await samples();
    await using other = await samples();
    await using grpcCaller = await caller(bench);
    const { status, result } = await grpcCaller.call(method, SAMPLES[method] as object);
    expect(status).toBe(200);
    const http = withoutZeros(await other.call(method, SAMPLES[method]));
    // Two hubs have two epochs, and two ids of everything.
    const shape = (value: unknown): string =>
      JSON.stringify(value)
        .replace(/"(epoch|uid)":"[^"]*"/g, '"$1":""')
        .replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, "id");
    expect(JSON.parse(shape(withoutZeros(result)))).toEqual(JSON.parse(shape(http)));
  });

  it("publishes bytes as they are, also none at all", async () => {
    await using bench = await apiBench({
      channels: [{ match: "*", data: "binary", history: { size: 9, ttlMs: 60_000 } }],
    });
    await using grpcCaller = await caller(bench);
    const type = root.lookupType("polywire.api.v1.PublishRequest");
    for (const data of [Buffer.from([0, 255]), Buffer.alloc(0)]) {
      const body = type.encode({ channel: "a", data }).finish();
      expect((await grpcCaller.send("/polywire.api.v1.ServerApi/Publish", body)).status).toBe(200);
    }
    const { publications } = await bench.hub.history("a");
    expect(publications.map(({ data, format }) => [[...data], format])).toEqual([
      [[0, 255], "binary"],
      [[], "binary"],
    ]);
  });

  it("tells a user that is empty from one that is not given", async () => {
    await using bench = await samples();
    await using grpcCaller = await caller(bench);
    expect(await grpcCaller.call("disconnect", {})).toMatchObject({
      grpcStatus: "3",
      message: expect.stringContaining("user: is missing"),
    });
    expect(bench.hub.stats().sessions).toBe(1);
    expect(await grpcCaller.call("disconnect", { user: "" })).toMatchObject({ status: 200, result: {} });
    expect(bench.hub.stats().sessions).toBe(0);
  });

  it("tells errors as statuses, with the code of the API beside them", async () => {
    await using bench = await samples();
    await using grpcCaller = await caller(bench);
    const wrong = [
      ["publish", { channel: "other", data: 1 }, "5", "102", /no rule covers/],
      ["publish", { data: 1 }, "3", "107", /^bad request: channel is missing$/],
      ["publish", { channel: "kept:a" }, "3", "107", /data are not JSON text/],
      ["presence", { channel: "news" }, "3", "108", /keeps no presence/],
      ["history", { channel: "kept:a", since: { offset: 1, epoch: "no" } }, "11", "112", /another epoch/],
      ["batch", { commands: [{}] }, "3", "107", /commands: give exactly one of publish/],
    ] as const;
    for (const [method, request, grpcStatus, apiError, message] of wrong) {
      const called = await grpcCaller.call(method, request);
      expect(called).toMatchObject({
        grpcStatus,
        apiError,
        message: expect.stringMatching(message),
        result: undefined,
      });
    }
    const garbage = await grpcCaller.send("/polywire.api.v1.ServerApi/Publish", new Uint8Array([255, 255]));
    expect(garbage).toMatchObject({ grpcStatus: "3", message: "bad request: malformed Protobuf PublishRequest" });
    const unknown = await grpcCaller.send("/polywire.api.v1.ServerApi/Nothing", new Uint8Array());
    expect(unknown).toMatchObject({ grpcStatus: "12" });
  });

  it("says so when an answer is too large for a message", async () => {
    await using bench = await apiBench({ channels: [{ match: "*", history: { size: 2_000, ttlMs: 60_000 } }] });
    await using grpcCaller = await caller(bench);
    const tags = { tag: "x".repeat(4_000) };
    for (let index = 0; index < 1_100; index++) await bench.hub.publish("a", index, { tags });
    expect(bench.api.limits.maxMessageBytes).toBe(4_194_304);
    expect(await grpcCaller.call("history", { channel: "a", limit: 1_000 })).toMatchObject({ grpcStatus: "0" });
    expect(await grpcCaller.call("history", { channel: "a", limit: -1 })).toMatchObject({
      grpcStatus: "8",
      message: expect.stringMatching(/^the answer takes \d+ of 4194304 bytes: ask for less$/),
    });
  });

  it("G25: without a key every call ends with UNAUTHENTICATED, before its message is read", async () => {
    await using bench = await samples();
    for (const metadata of [{}, { "x-api-key": "wrong" }, { authorization: `Bearer ${KEY}` }] as Record<
      string,
      string
    >[]) {
      await using grpcCaller = await caller(bench, metadata);
      for (const method of ["publish", "info"]) {
        expect(await grpcCaller.call(method, SAMPLES[method] as object)).toMatchObject({
          status: 401,
          grpcStatus: "16",
          message: "the API key is missing or wrong",
        });
      }
      const unread = await grpcCaller.send("/polywire.api.v1.ServerApi/Publish", new Uint8Array([255, 255]));
      expect(unread.grpcStatus).toBe("16");
      expect((await grpcCaller.send("/polywire.api.v1.ServerApi/Nothing", new Uint8Array())).grpcStatus).toBe("16");
    }
    expect(bench.api.stats()).toMatchObject({ calls: 0, unauthorized: 12 });
  });

  it("G25: so it is where a program has left admission out", async () => {
    await using bench = await samples();
    const network = new Network({ protocols: [grpc()] });
    const { exchange, limits } = bench.api;
    const listener = await network.listen("grpc://127.0.0.1:0/polywire.api.v1.ServerApi/", { exchange, limits });
    const grpcUrl = `grpc://127.0.0.1:${listener.endpoint.port as number}` as const;
    {
      await using stranger = await caller({ ...bench, grpcUrl }, {});
      expect(await stranger.call("info", {})).toMatchObject({ grpcStatus: "16", result: undefined });
      await using friend = await caller({ ...bench, grpcUrl });
      expect(await friend.call("info", {})).toMatchObject({ grpcStatus: "0" });
    }
    await network.close();
  });

  it("G26: a key that has had its time ends with UNAUTHENTICATED, also on a connection that is open", async () => {
    let keys = [KEY, OTHER_KEY];
    await using bench = await apiBench({ channels: SAMPLE_CHANNELS }, { keys: () => keys });
    await using retired = await caller(bench, { authorization: `apikey ${KEY}` });
    await using current = await caller(bench, { "x-api-key": OTHER_KEY });
    const statuses = async (): Promise<unknown[]> => [
      (await retired.call("info", {})).grpcStatus,
      (await current.call("info", {})).grpcStatus,
    ];
    expect(await statuses()).toEqual(["0", "0"]);
    keys = [OTHER_KEY];
    expect(await statuses()).toEqual(["16", "0"]);
  });

  it("has its health told to everybody", async () => {
    await using bench = await samples();
    await using grpcCaller = await caller(bench, {});
    expect(await grpcCaller.health()).toBe("SERVING");
  });
});
