import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { hasProgram } from "@polywire/conformance/testing";
import { type LogFields, type Logger, silentLogger } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { Centrifuge, type PublicationContext } from "centrifuge";
import { afterAll, describe, expect, test } from "vitest";
import { ApiKeyFile } from "../src/api-key-file.ts";
import { type ListenScheme, listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import type { ServerConfig } from "../src/config/schema.ts";
import { startServer } from "../src/server.ts";
import { freePorts } from "./command.ts";

const KEY = "the-key-of-this-test";
const PYTHON = "/usr/bin/python3";
const PROTO_FOLDER = path.join(import.meta.dirname, "../../../packages/dialect-centrifuge");

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-api-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** By scheme. */
  readonly internal: Readonly<Partial<Record<ListenScheme, string>>>;
  call(method: string, body: object, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

async function serve(change: Partial<ServerConfig> = {}, logger: Logger = silentLogger): Promise<TestServer> {
  const { config } = loadConfig(undefined, {});
  const server = await startServer(
    {
      ...config,
      listen: [{ ...listenAddress("127.0.0.1", 0), pong: true }],
      internal: [listenAddress("127.0.0.1", 0), listenAddress("127.0.0.1", 0, "grpc")],
      api: { keys: [KEY] },
      ...change,
    },
    { logger },
  );
  const internal = Object.fromEntries(server.internal.map(({ scheme, url }) => [scheme, url]));
  return {
    url: server.listen[0]?.url ?? "",
    internal,
    call: (method, body, headers = { "x-api-key": KEY }) =>
      fetch(`${internal["http"]}/api/${method}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** A client of the official SDK, connected; what it is told of channels that the server put it in comes to `heard`. */
async function visitor(server: TestServer, heard: (publication: PublicationContext) => void): Promise<Centrifuge> {
  const client = new Centrifuge(`${server.url.replace("http", "ws")}/connection/websocket`);
  client.on("publication", heard);
  client.connect();
  await client.ready();
  return client;
}

describe("the server API at internal addresses", () => {
  test("publishes to everyone, who are put into a broadcast channel as they connect", async () => {
    const channels = [{ ...defaultRule(), match: "alerts", kind: "broadcast" as const }];
    await using server = await serve({ channels });
    const heard = Promise.withResolvers<PublicationContext>();
    const client = await visitor(server, heard.resolve);
    await server.call("publish", { channel: "alerts", data: { text: "hello" } });
    expect(await heard.promise).toMatchObject({ channel: "alerts", data: { text: "hello" } });
    expect(await (await server.call("channels", {})).json()).toEqual({
      result: { channels: { alerts: { num_clients: 1 } } },
    });
    expect(await (await server.call("info", {})).json()).toMatchObject({
      result: { nodes: [{ name: os.hostname(), version: expect.stringMatching(/^\d/), num_clients: 1 }] },
    });
    const ended = new Promise((resolve) => void client.once("disconnected", resolve));
    expect(await (await server.call("disconnect", { user: "" })).json()).toEqual({ result: {} });
    expect(await ended).toEqual({ code: 3503, reason: "force disconnect" });
  });

  test("H37: is for those with a key, on every path, and without a key in the configuration there is none", async () => {
    await using server = await serve();
    for (const headers of [{}, { "x-api-key": "wrong" }, { authorization: `Bearer ${KEY}` }] as Record<
      string,
      string
    >[]) {
      expect((await server.call("publish", { channel: "chat:a", data: 1 }, headers)).status).toBe(401);
    }
    expect((await fetch(`${server.internal.http}/api`, { method: "POST" })).status).toBe(401);
    expect((await fetch(`${server.internal.http}/api/openapi.json`)).status).toBe(200);
    await using without = await serve({ api: { keys: [] }, internal: [listenAddress("127.0.0.1", 0)] });
    for (const name of ["", "/", "/publish", "/openapi.json"]) {
      expect((await fetch(`${without.internal.http}/api${name}`, { headers: { "x-api-key": KEY } })).status).toBe(404);
    }
  });

  test("counts its calls, by method and code, among the figures", async () => {
    await using server = await serve();
    await server.call("info", {});
    await server.call("info", {});
    await server.call("publish", { channel: "$no", data: 1 });
    await server.call("publish", {}, {});
    const text = await (await fetch(`${server.internal.http}/metrics`)).text();
    for (const line of [
      'polywire_api_called_total{polywire_api_code="0",polywire_api_method="info"} 2',
      'polywire_api_called_total{polywire_api_code="102",polywire_api_method="publish"} 1',
      "polywire_api_unauthorized_total 1",
    ])
      expect(text).toContain(`\n${line}\n`);
  });

  test("H38: a key in the query is none, and is in no log", async () => {
    const logged: (LogFields | string)[] = [];
    const logger: Logger = { log: (...line) => void logged.push(line[1], line[2], line[3] ?? {}) };
    await using server = await serve({}, logger);
    const response = await fetch(`${server.internal.http}/api/info?api_key=${KEY}`, { method: "POST", body: "{}" });
    expect(response.status).toBe(401);
    expect(logged).toContain("refused: no valid key");
    expect(JSON.stringify(logged)).not.toContain(KEY);
  });

  test("is not at public addresses, unless an internal one equals it", async () => {
    await using server = await serve();
    for (const name of ["", "/", "/publish", "/openapi.json"]) {
      const request = { method: "POST", headers: { "x-api-key": KEY } };
      expect((await fetch(`${server.url}/api${name}`, request)).status).toBe(404);
    }
    const [port = 0] = await freePorts(1);
    const address = listenAddress("127.0.0.1", port);
    await using both = await serve({ listen: [{ ...address, pong: true }], internal: [address] });
    expect((await both.call("info", {})).status).toBe(200);
  });

  test("H16: takes requests as large as one publication needs", async () => {
    const { config } = loadConfig(undefined, { POLYWIRE_LIMITS_MESSAGE_BYTES: "2MiB" });
    await using server = await serve({ limits: config.limits });
    const data = "x".repeat(2 * 1_048_576 - 2);
    expect(await (await server.call("publish", { channel: "chat:a", data })).json()).toMatchObject({
      result: { offset: 1 },
    });
    const tooLarge = await server.call("publish", { channel: "chat:a", data: "x".repeat(4 * 1_048_576) });
    expect(tooLarge.status).toBe(413);
  });
});

test.skipIf(!hasProgram("curl", "--version"))("the README's curl publishes", async () => {
  await using server = await serve();
  const readme = fs.readFileSync(path.join(import.meta.dirname, "../README.md"), "utf8");
  const command = /^curl .*\/api\/publish (?:.*\\\n)*.*$/m.exec(readme)?.[0] ?? "";
  const moved = command.replace("http://127.0.0.1:9000", server.internal.http ?? "");
  const env = { ...process.env, POLYWIRE_API_KEY: KEY };
  const { stdout } = await promisify(execFile)("bash", ["-c", moved], { env });
  expect(JSON.parse(stdout)).toEqual({ result: { offset: 1, epoch: expect.any(String) } });
});

test("G26: keys in a file change with it, and a file that is no good changes nothing", () => {
  const clock = new ManualClock();
  const logged: unknown[] = [];
  const logger: Logger = { log: (level, _component, message, fields) => void logged.push([level, message, fields]) };
  const file = path.join(directory, "keys");
  fs.writeFileSync(file, "first-key-of-this-file\n");
  const keys = new ApiKeyFile(file, { clock, logger });
  const before = keys.keys;
  expect(before).toEqual(["first-key-of-this-file"]);
  clock.advance(1_000);
  expect(keys.keys).toBe(before);
  fs.writeFileSync(file, "first-key-of-this-file\nsecond-key-of-this-file\n");
  expect(keys.keys).toBe(before);
  clock.advance(1_000);
  expect(keys.keys).toEqual(["first-key-of-this-file", "second-key-of-this-file"]);
  fs.writeFileSync(file, "short\n");
  clock.advance(1_000);
  expect(keys.keys).toHaveLength(2);
  fs.rmSync(file);
  clock.advance(1_000);
  expect(keys.keys).toHaveLength(2);
  fs.writeFileSync(file, "second-key-of-this-file\n");
  clock.advance(1_000);
  expect(keys.keys).toEqual(["second-key-of-this-file"]);
  const [again, kept] = ["keys were read again", "keys cannot be read again: those from before stay"];
  expect(logged).toEqual([
    ["info", again, { file, keys: 2 }],
    ["warn", kept, { error: expect.objectContaining({ message: expect.stringContaining("line 1 has 5 characters") }) }],
    ["warn", kept, { error: expect.objectContaining({ message: expect.stringContaining("ENOENT") }) }],
    ["info", again, { file, keys: 1 }],
  ]);
  expect(JSON.stringify(logged)).not.toContain("key-of-this-file");
});

const hasGrpcTools = hasProgram(PYTHON, "-c", "import grpc, grpc_tools.protoc");

test.skipIf(!hasGrpcTools)(
  "G25: a Python program calls it, with code that was generated from api.proto, and is refused without the key",
  { timeout: 60_000 },
  async () => {
    await using server = await serve();
    const heard: unknown[] = [];
    const client = new Centrifuge(`${server.url.replace("http", "ws")}/connection/websocket`);
    const room = client.newSubscription("chat:a");
    room.on("publication", ({ data, tags }) => heard.push([data, tags]));
    room.subscribe();
    client.connect();
    await room.ready();
    const run = promisify(execFile);
    const outputs = [`--python_out=${directory}`, `--grpc_python_out=${directory}`];
    await run(PYTHON, ["-m", "grpc_tools.protoc", "-I", PROTO_FOLDER, ...outputs, "api.proto"]);
    const address = server.internal.grpc?.replace("grpc://", "") ?? "";
    const { stdout } = await run(PYTHON, ["-c", PROGRAM, address, KEY], {
      env: { ...process.env, PYTHONPATH: directory },
    });
    expect(stdout.trimEnd().split("\n")).toEqual([
      "no key: UNAUTHENTICATED the API key is missing or wrong",
      "wrong key: UNAUTHENTICATED the API key is missing or wrong",
      "published 1 True",
      "again 1",
      "broadcast: 2 102",
      "history: 2 b'{\"n\": 1}' x",
      "present: 1 1",
      "channels: {'chat:a': 1}",
      "nodes: 1 1",
      "batch: ['publish', 'error', 'presence_stats']",
      "NOT_FOUND 102",
      "INVALID_ARGUMENT 107 bad request: channel is missing",
      "OUT_OF_RANGE 112",
      "UNIMPLEMENTED",
      "gone",
    ]);
    expect(heard.slice(0, 2)).toEqual([
      [{ n: 1 }, { tag: "x" }],
      ["everywhere", undefined],
    ]);
    expect(client.state).not.toBe("connected");
    client.disconnect();
  },
);

const PROGRAM = `
import sys, grpc, api_pb2 as pb, api_pb2_grpc
address, key = sys.argv[1:]
channel = grpc.insecure_channel(address)
api = api_pb2_grpc.ServerApiStub(channel)
auth = (("x-api-key", key),)
def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        code = dict(error.trailing_metadata()).get("polywire-api-error") or dict(error.initial_metadata()).get("polywire-api-error")
        return error.code().name, code, error.details()
    return "done"
for name, metadata in (("no key", ()), ("wrong key", (("authorization", "apikey nothing"),))):
    code, _, details = refused(lambda: api.Info(pb.InfoRequest(), metadata=metadata))
    print(name + ":", code, details)
publish = pb.PublishRequest(channel="chat:a", data=b'{"n": 1}', tags={"tag": "x"}, idempotency_key="once")
first = api.Publish(publish, metadata=(("authorization", "apikey " + key),))
print("published", first.offset, len(first.epoch) > 0)
print("again", api.Publish(publish, metadata=auth).offset)
answer = api.Broadcast(pb.BroadcastRequest(channels=["chat:a", "$nobody"], data=b'"everywhere"'), metadata=auth)
print("broadcast:", answer.responses[0].result.offset, answer.responses[1].error.code)
page = api.History(pb.HistoryRequest(channel="chat:a", limit=-1), metadata=auth)
print("history:", len(page.publications), page.publications[0].data, page.publications[0].tags["tag"])
stats = api.PresenceStats(pb.PresenceStatsRequest(channel="chat:a"), metadata=auth)
members = api.Presence(pb.PresenceRequest(channel="chat:a"), metadata=auth)
print("present:", stats.num_clients, len(members.presence))
channels = api.Channels(pb.ChannelsRequest(pattern="chat:*"), metadata=auth).channels
print("channels:", {name: one.num_clients for name, one in channels.items()})
nodes = api.Info(pb.InfoRequest(), metadata=auth).nodes
print("nodes:", len(nodes), nodes[0].num_clients)
Command = pb.BatchRequest.Command
replies = api.Batch(pb.BatchRequest(commands=[
    Command(publish=pb.PublishRequest(channel="chat:a", data=b"3")),
    Command(presence=pb.PresenceRequest(channel="other")),
    Command(presence_stats=pb.PresenceStatsRequest(channel="chat:a")),
]), metadata=auth).replies
print("batch:", [reply.WhichOneof("reply") for reply in replies])
def told(call):
    print(*[part for part in refused(call) if part])
code, api_code, _ = refused(lambda: api.Presence(pb.PresenceRequest(channel="$nobody"), metadata=auth))
print(code, api_code)
told(lambda: api.Publish(pb.PublishRequest(data=b"1"), metadata=auth))
since = pb.StreamPosition(offset=1, epoch="no")
code, api_code, _ = refused(lambda: api.History(pb.HistoryRequest(channel="chat:a", since=since), metadata=auth))
print(code, api_code)
nothing = channel.unary_unary("/polywire.api.v1.ServerApi/Nothing")
print(refused(lambda: nothing(b"", metadata=auth))[0])
api.Disconnect(pb.DisconnectRequest(user="", disconnect=pb.DisconnectRequest.Reason(code=4500, reason="bye")), metadata=auth)
print("gone")
`;

function defaultRule(): ServerConfig["channels"][number] {
  const rule = loadConfig(undefined, {}).config.channels.at(-1);
  if (rule === undefined) throw new Error("there is no default rule");
  return rule;
}
