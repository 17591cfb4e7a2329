import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { silentLogger } from "@polywire/core";
import { Centrifuge, type Options } from "centrifuge";
import { afterAll, afterEach, expect, test } from "vitest";
import WebSocket from "ws";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { type RunningServer, startServer } from "../src/server.ts";

/** A backend in Python, with nothing but its standard library. */
const BACKEND = `
import http.server, json, sys, threading, time

class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    refreshes = 0

    def do_POST(self):
        event = self.headers["x-polywire-event"]
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != "Bearer between you and me":
            return self.answer({"disconnect": {"code": 4501, "reason": "who are you?"}})
        self.answer(getattr(self, event)(question))

    def connect(self, question):
        users = {"session=ada": "ada", "session=eve": "eve"}
        user = users.get(self.headers["cookie"])
        if user is None:
            return {"error": {"code": 1001, "message": "log in first"}}
        return {"result": {"user": user, "info": {"name": user.title()}, "channels": ["news"], "meta": {"plan": "gold"},
                           "data": {"you": user}}}

    def subscribe(self, question):
        if question["user"] == "ada":
            return {"result": {"data": {"seat": 1}, "info": {"role": "owner"}}}
        return {"error": {"code": 103, "message": "permission denied"}}

    def publish(self, question):
        if question["data"] == "spam":
            return {"error": {"code": 1002, "message": "no spam"}}
        return {"result": {"data": {"text": question["data"], "plan": question["meta"]["plan"]}}}

    def rpc(self, question):
        return {"result": {"data": {"method": question["method"], "sum": sum(question["data"])}}}

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *rest):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
print(server.server_port, flush=True)
server.serve_forever()
`;

const SECRET = "between you and me";
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-hooks-"));
const children: ChildProcess[] = [];
const servers: RunningServer[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

async function startBackend(): Promise<string> {
  const child = spawn("python3", ["-c", BACKEND], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [port] = await once(createInterface(child.stdout), "line");
  return `http://127.0.0.1:${port}/polywire`;
}

/** A server whose backend decides; the URL of its WebSocket. */
async function start(hooks: string, more = ""): Promise<string> {
  const file = path.join(directory, "polywire.yaml");
  fs.writeFileSync(
    file,
    `channels:
  - { match: "team:*", kind: private, publish: subscribers }
  - { match: "*", publish: clients }
hooks: ${hooks}
${more}`,
  );
  const { config } = loadConfig(file, {});
  const anywhere = { listen: [{ ...listenAddress("127.0.0.1", 0), pong: true }], internal: [] };
  const server = await startServer({ ...config, ...anywhere }, { logger: silentLogger });
  servers.push(server);
  return `ws://127.0.0.1:${server.listen[0]?.port}/connection/websocket`;
}

function client(url: string, cookie: string, options: Partial<Options> = {}): Centrifuge {
  class WithCookie extends WebSocket {
    constructor(address: string, protocols?: string | string[]) {
      super(address, protocols, { headers: { cookie } });
    }
  }
  return new Centrifuge(url, { websocket: WithCookie, minReconnectDelay: 10, maxReconnectDelay: 50, ...options });
}

test("a backend in Python decides who connects, subscribes and publishes, and answers calls", async () => {
  const backend = await startBackend();
  const secretFile = path.join(directory, "secret");
  fs.writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });
  const one = `{ url: "${backend}" }`;
  const url = await start(
    `{ connect: ${one}, subscribe: ${one}, publish: ${one}, rpc: ${one}, secretFile: ${secretFile}, clientHeaders: [cookie] }`,
  );

  const ada = client(url, "session=ada");
  const eve = client(url, "session=eve");
  try {
    const news = new Promise((resolve) => void ada.on("publication", ({ channel, data }) => resolve([channel, data])));
    const connected = new Promise((resolve) => void ada.on("connected", ({ data }) => resolve(data)));
    ada.connect();
    expect(await connected).toEqual({ you: "ada" });
    eve.connect();
    await eve.ready();

    const team = ada.newSubscription("team:red");
    const subscribed = new Promise((resolve) => void team.on("subscribed", ({ data }) => resolve(data)));
    team.subscribe();
    expect(await subscribed).toEqual({ seat: 1 });
    const closed = eve.newSubscription("team:red");
    const refused = new Promise((resolve) => void closed.on("unsubscribed", ({ code }) => resolve(code)));
    closed.subscribe();
    expect(await refused).toBe(103);

    await eve.publish("news", "hello");
    expect(await news).toEqual(["news", { text: "hello", plan: "gold" }]);
    await expect(eve.publish("news", "spam")).rejects.toMatchObject({ code: 1002, message: "no spam" });

    expect((await ada.rpc("sum", [1, 2, 3])).data).toEqual({ method: "sum", sum: 6 });
  } finally {
    ada.disconnect();
    eve.disconnect();
  }
});

test("whom the backend does not know is told what the backend says; a wrong secret ends it all", async () => {
  const backend = await startBackend();
  const url = await start(`{ connect: { url: "${backend}" }, secret: ${SECRET}, clientHeaders: [cookie] }`);
  const stranger = client(url, "session=mallory");
  const said = new Promise((resolve) => void stranger.on("disconnected", resolve));
  stranger.connect();
  expect(await said).toEqual({ code: 1001, reason: "log in first" });

  const wrong = await start(`{ connect: { url: "${backend}" }, secret: guessed, clientHeaders: [cookie] }`);
  const ada = client(wrong, "session=ada");
  const ended = new Promise((resolve) => void ada.on("disconnected", ({ code }) => resolve(code)));
  ada.connect();
  expect(await ended).toBe(4501);
});

test("a backend that is down is an error that passes: clients come in once it is there", async () => {
  const backend = await startBackend();
  const url = await start(`{ connect: { url: "${backend}" }, secret: ${SECRET}, clientHeaders: [cookie] }`);
  const [first] = children;
  const gone = once(first as ChildProcess, "exit");
  first?.kill("SIGKILL");
  await gone;
  const ada = client(url, "session=ada");
  const said = new Promise((resolve) => void ada.on("error", ({ error }) => resolve(error)));
  ada.connect();
  expect(await said).toMatchObject({ code: 100, temporary: true });
  ada.disconnect();
});

test.each<[string, string]>([
  ["{}", "hooks: no hook is given: give one of connect"],
  ["{ connect: { url: 'ws://x/' } }", 'hooks.connect.url: the scheme is "ws": give http: or https:'],
  ["{ connect: {} }", "hooks.connect.url: is missing"],
  ["{ connect: { url: 'http://x/', timeout: 10s } }", "hooks.connect.timeout: "],
  ["{ connect: { url: 'http://x/', channels: [a] } }", "hooks.connect.channels: unknown key"],
  ["{ conect: { url: 'http://x/' } }", "hooks.conect: unknown key; did you mean connect?"],
  ["{ rpc: { url: 'http://x/' }, secretFile: /nowhere }", "hooks.secretFile: /nowhere: no such file"],
  [
    "{ rpc: { url: 'http://x/' }, secretFile: /nowhere, secret: c4n4ry }",
    "hooks.secretFile: goes without hooks.secret",
  ],
  ["{ rpc: { url: 'http://x/' }, secret: [c4n4ry] }", "hooks.secret: must be a text, not a list"],
])("a wrong configuration is named: %s", async (hooks, message) => {
  const problem = await start(hooks).then(
    () => "none",
    (thrown: Error) => thrown.message,
  );
  expect(problem).toContain(message);
  expect(problem).not.toContain("c4n4ry");
});
