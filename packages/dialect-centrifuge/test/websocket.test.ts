import { Network } from "@polywire/core";
import { ws } from "@polywire/ws";
import { describe, expect, it } from "vitest";
import { type CentrifugeOptions, centrifuge } from "../src/index.ts";
import { ScriptedHub } from "./scripted-hub.ts";
import { frame, type Message, replies } from "./wire-client.ts";

/** Node's own WebSocket takes headers too; the types of browsers' do not say so. */
type Init = { readonly protocols?: readonly string[]; readonly headers?: Readonly<Record<string, string>> };

async function serving(options: CentrifugeOptions = {}) {
  const hub = new ScriptedHub();
  const network = new Network({ protocols: [ws()] });
  const listener = await network.listen("ws://127.0.0.1:0/connection/websocket", centrifuge(hub, options));
  const sockets: WebSocket[] = [];
  return {
    hub,
    url: String(listener.endpoint),
    open(query: string, init: Init = {}): Promise<WebSocket> {
      const socket = new WebSocket(`${listener.endpoint}${query}`, init as string[]);
      sockets.push(socket);
      socket.binaryType = "arraybuffer";
      return new Promise((resolve, reject) => {
        socket.addEventListener("open", () => resolve(socket));
        socket.addEventListener("error", () => reject(new Error("the handshake failed")));
      });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.close();
      await network.close();
    },
  };
}

function nextData(socket: WebSocket): Promise<string | ArrayBuffer> {
  return new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => resolve(data as string | ArrayBuffer), { once: true });
  });
}

function nextClose(socket: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }), { once: true });
  });
}

const connect: Message = { id: 1, connect: {} };
const connected: Message = { id: 1, connect: { client: "c1", version: "1.0", ping: 25, pong: true } };

describe("over a WebSocket", () => {
  it.each<[string, Init, string]>([
    ["", {}, ""],
    ["?cf_protocol_version=v2", {}, ""],
    ["", { protocols: ["centrifuge-json"] }, "centrifuge-json"],
    ["", { protocols: ["other", "centrifuge-json"] }, "centrifuge-json"],
  ])("speaks JSON in text to %j with %j", async (query, init, protocol) => {
    await using server = await serving();
    const socket = await server.open(query, init);
    expect(socket.protocol).toBe(protocol);
    const data = nextData(socket);
    socket.send(frame("json", connect));
    expect(replies((await data) as string)).toEqual([connected]);
  });

  it.each<[string, Init, string]>([
    ["?format=protobuf", {}, ""],
    ["?cf_protocol=protobuf", {}, ""],
    ["", { protocols: ["centrifuge-protobuf"] }, "centrifuge-protobuf"],
  ])("speaks Protobuf in bytes to %j with %j", async (query, init, protocol) => {
    await using server = await serving();
    const socket = await server.open(query, init);
    expect(socket.protocol).toBe(protocol);
    const data = nextData(socket);
    socket.send(frame("protobuf", connect) as Uint8Array<ArrayBuffer>);
    expect(replies(new Uint8Array((await data) as ArrayBuffer))).toEqual([connected]);
  });

  it("takes commands as bytes too, whatever the encoding", async () => {
    await using server = await serving();
    const socket = await server.open("");
    const data = nextData(socket);
    socket.send(new TextEncoder().encode(frame("json", connect) as string));
    expect(replies((await data) as string)).toEqual([connected]);
  });

  it("refuses a page from elsewhere, and lets in one that is allowed", async () => {
    await using server = await serving({ allowedOrigins: ["https://*.example.com"] });
    await expect(server.open("", { headers: { origin: "https://evil.example" } })).rejects.toThrow(
      "the handshake failed",
    );
    await expect(server.open("", { headers: { origin: "https://app.example.com" } })).resolves.toBeDefined();
    await expect(
      server.open("", { headers: { origin: new URL(server.url).origin.replace("ws", "http") } }),
    ).resolves.toBeDefined();
    expect(server.hub.sessions).toHaveLength(2);
  });

  it("keeps the headers that the program asks for, and no others", async () => {
    await using server = await serving({ keepHeaders: ["Cookie"] });
    await server.open("", { headers: { cookie: "session=1", "x-other": "2" } });
    expect([...(server.hub.session.origin.headers ?? [])]).toEqual([["cookie", "session=1"]]);
  });

  it("tells the reason of a disconnect in the close frame, after what was sent before", async () => {
    await using server = await serving();
    const socket = await server.open("");
    const first = nextData(socket);
    socket.send(frame("json", connect));
    await first;
    const [last, closed] = [nextData(socket), nextClose(socket)];
    const { outlet } = server.hub.session;
    outlet.message(new TextEncoder().encode('"last words"'), "json");
    outlet.disconnect({ code: 3001, reason: "shutdown" }, false);
    expect(replies((await last) as string)).toEqual([{ push: { message: { data: "last words" } } }]);
    expect(await closed).toEqual({ code: 3001, reason: "shutdown" });
  });

  it("cuts a reason that a close frame cannot carry", async () => {
    await using server = await serving();
    const socket = await server.open("");
    const closed = nextClose(socket);
    server.hub.session.outlet.disconnect({ code: 4000, reason: "ж".repeat(100) }, false);
    expect(await closed).toEqual({ code: 4000, reason: "ж".repeat(61) });
  });

  it("tells one event to clients of both encodings", async () => {
    await using server = await serving();
    const json = await Promise.all([server.open(""), server.open("")]);
    const protobuf = await Promise.all([server.open("?format=protobuf"), server.open("?format=protobuf")]);
    const heard = [...json, ...protobuf].map(nextData);
    const publication = { data: new TextEncoder().encode('{"x":1}'), format: "json", offset: 1 } as const;
    const event = { kind: "publication", channel: "news", publication } as const;
    for (const session of server.hub.sessions) session.outlet.event(event);
    for (const data of await Promise.all(heard)) {
      const payload = typeof data === "string" ? data : new Uint8Array(data);
      expect(replies(payload)).toEqual([{ push: { channel: "news", pub: { data: { x: 1 }, offset: 1 } } }]);
    }
  });

  it("closes with 1009 on a frame over the limit, and harms no other", async () => {
    await using server = await serving();
    const [socket, other] = await Promise.all([server.open(""), server.open("")]);
    const closed = nextClose(socket);
    socket.send(`{"id":1,"publish":{"channel":"a","data":"${"x".repeat(2_000_000)}"}}`);
    expect(await closed).toMatchObject({ code: 1009 });
    const data = nextData(other);
    other.send(frame("json", connect));
    expect(replies((await data) as string)).toEqual([connected]);
  });
});
