import { readFileSync } from "node:fs";
import { type AnyProtocol, type Exchange, Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { DISCONNECTS, ERRORS, type HubOptions } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { CLIENT_SCHEMA } from "../scripts/protobuf-schema.ts";
import { centrifuge } from "../src/index.ts";
import { Exchanging, type Stream } from "./exchanging.ts";
import { RecordingLink } from "./recording-link.ts";
import type { Message } from "./wire-client.ts";

const OCTETS = { "content-type": "application/octet-stream" };
const { root } = protobuf.parse(readFileSync(CLIENT_SCHEMA.proto, "utf8"), { keepCase: true });
const pushType = root.lookupType("centrifugal.centrifuge.protocol.Push");
const connectType = root.lookupType("centrifugal.centrifuge.protocol.ConnectRequest");

const options: HubOptions = {
  version: "1.0",
  random: () => 0,
  pings: { intervalMs: 10_000, timeoutMs: 4_000 },
  channels: [{ match: "closed", kind: "private" }, { match: "everyone", kind: "broadcast" }, { match: "news*" }],
};

const connectPush = (subs: object): Message => ({
  connect: { client: expect.any(String) as string, version: "1.0", ping: 10, subs },
});

/** How the pushes of a form are read. */
interface Form {
  readonly name: string;
  open(world: Exchanging, request: object): Promise<Stream>;
  read(stream: Stream): Promise<Message | undefined>;
}

const plain = (push: protobuf.Message): Message => {
  const { pub, ...rest } = pushType.toObject(push) as { pub?: { data: Uint8Array } };
  return pub === undefined ? rest : { ...rest, pub: { data: JSON.parse(Buffer.from(pub.data).toString()) as unknown } };
};

const forms: readonly Form[] = [
  {
    name: "server-sent events, by GET",
    open: (world, request) =>
      world.stream(`uni_sse?cf_connect=${encodeURIComponent(JSON.stringify(request))}`, { method: "GET" }),
    read: readEvent,
  },
  {
    name: "server-sent events, by POST",
    open: (world, request) => world.stream("uni_sse", { body: JSON.stringify(request) }),
    read: readEvent,
  },
  {
    name: "an HTTP stream in JSON",
    open: (world, request) => world.stream("uni_http_stream", { body: JSON.stringify(request, undefined, 2) }),
    async read(stream) {
      const text = await stream.text();
      if (text !== undefined) expect(text.endsWith("}\n")).toBe(true);
      return text === undefined ? undefined : (JSON.parse(text) as Message);
    },
  },
  {
    name: "an HTTP stream in Protobuf",
    open: (world, request) =>
      world.stream("uni_http_stream", { body: new Uint8Array(connectType.encode(request).finish()), headers: OCTETS }),
    async read(stream) {
      const bytes = await stream.next();
      return bytes === undefined ? undefined : plain(pushType.decodeDelimited(bytes));
    },
  },
  {
    name: "the Consume call",
    open: (world, request) => world.stream("Consume", { body: new Uint8Array(connectType.encode(request).finish()) }),
    async read(stream) {
      const bytes = await stream.next();
      return bytes === undefined ? undefined : plain(pushType.decode(bytes));
    },
  },
];

async function readEvent(stream: Stream): Promise<Message | undefined> {
  const text = await stream.text();
  if (text === undefined) return undefined;
  // The blank line that the stream begins with may come with the first event, or by itself.
  const event = text.startsWith("\r\n") ? text.slice(2) : text;
  if (event === "") return readEvent(stream);
  expect(event).toMatch(/^data: \{[^\n]*\}\n\n$/);
  return JSON.parse(event.slice("data: ".length)) as Message;
}

describe.each(forms)("a client that only listens, over $name", ({ name, open, read }) => {
  it("is connected, subscribed to what it may have of what it wished for, and told in bare pushes", async () => {
    await using world = await Exchanging.start(options);
    const stream = await open(world, { subs: { news: {}, closed: {}, uncovered: {} } });
    expect(await read(stream)).toEqual(connectPush({ everyone: {}, news: {} }));
    await world.hub.publish("news", { x: 1 });
    expect(await read(stream)).toEqual({ channel: "news", pub: { data: { x: 1 } } });
    await world.hub.unsubscribe("", "news");
    expect(await read(stream)).toEqual({ channel: "news", unsubscribe: { code: 2000, reason: "server unsubscribe" } });
    await world.hub.disconnect("");
    expect(await read(stream)).toEqual({ disconnect: { code: 3503, reason: "force disconnect" } });
    expect(await read(stream)).toBeUndefined();
  });

  it("is pinged with empty pushes, and need not answer", async () => {
    // A push of no bytes is something on a wire of messages only: see below.
    if (name === "the Consume call") return;
    await using world = await Exchanging.start(options);
    const stream = await open(world, {});
    await read(stream);
    world.clock.advance(5_500);
    expect(await read(stream)).toEqual({});
    for (let count = 0; count < 3; count++) {
      world.clock.advance(10_500);
      expect(await read(stream)).toEqual({});
    }
    expect(world.hub.stats()).toMatchObject({ sessions: 1, missingPongs: 0 });
  });

  it.each([
    [ERRORS.tokenExpired, DISCONNECTS.connectionExpired],
    [ERRORS.expired, DISCONNECTS.connectionExpired],
    [ERRORS.tooManyRequests, DISCONNECTS.tooManyRequests],
    [ERRORS.permissionDenied, DISCONNECTS.permissionDenied],
    [ERRORS.unknownChannel, DISCONNECTS.internal],
    [{ code: 1_234, message: "its own", isTemporary: true }, DISCONNECTS.internal],
  ])("hears of the error $message as an end", async (error, disconnect) => {
    await using world = await Exchanging.start({ ...options, authenticate: () => ({ error }) });
    const stream = await open(world, { token: "t" });
    expect(await read(stream)).toEqual({ disconnect });
    expect(await read(stream)).toBeUndefined();
  });

  it("is no session that requests could be sent for", async () => {
    await using world = await Exchanging.start(options);
    const stream = await open(world, {});
    const { connect } = (await read(stream)) as { connect: Message };
    expect([connect["session"], connect["node"]]).toEqual([undefined, undefined]);
    expect(world.handler.stats().emulated).toBe(0);
  });
});

describe("the Consume call over a wire of messages", () => {
  it("is told one bare push in each, an empty one for a ping, and its end in one too", async () => {
    const world = await Exchanging.start(options);
    const pushes: Message[] = [];
    const link = new RecordingLink();
    link.send = (push) => {
      pushes.push(plain(pushType.decode(push as Uint8Array)));
      return "sent";
    };
    const exchange: Exchange = {
      method: "POST",
      path: "/polywire.centrifuge.v1.Centrifuge/Consume",
      query: "",
      headers: new Map(),
      peer: link.peer,
      body: { bytes: () => Promise.resolve(new Uint8Array(0)), [Symbol.asyncIterator]: () => unread() },
      signal: new AbortController().signal,
      respond: () => expect.unreachable(),
      stream: () => link,
    };
    await world.handler.exchange(exchange);
    world.clock.advance(5_500);
    await world.hub.disconnect("");
    expect(pushes).toEqual([
      connectPush({ everyone: {} }),
      {},
      { disconnect: { code: 3503, reason: "force disconnect" } },
    ]);
    expect(link.closeReason).toMatchObject({ code: 3503 });
  });
});

function unread(): AsyncIterator<Uint8Array> {
  throw new Error("read in pieces");
}

describe("what people write by hand", () => {
  it("?channel=news&channel=news2 is a wish for both", async () => {
    await using world = await Exchanging.start(options);
    const stream = await world.stream("uni_sse?channel=news&channel=news2&channel=closed&channel=", { method: "GET" });
    expect(await readEvent(stream)).toEqual(connectPush({ everyone: {}, news: {}, news2: {} }));
  });

  it("with pongs turned off there are no pings either", async () => {
    await using world = await Exchanging.start(options, { pong: false });
    const stream = await world.stream("uni_sse", { method: "GET" });
    expect(await readEvent(stream)).toEqual({
      connect: { client: expect.any(String) as string, version: "1.0", subs: { everyone: {} } },
    });
  });
});

describe("links at the path uni_websocket", () => {
  async function serving() {
    const world = await Exchanging.start(options);
    const protocols: readonly AnyProtocol[] = [memory(), ws()];
    const network = new Network({ protocols, services: [] });
    const listener = await network.listen("ws://127.0.0.1:0/connection/uni_websocket", centrifuge(world.hub));
    return {
      hub: world.hub,
      clock: world.clock,
      /** Waits until so many messages of the one client have been dealt with. */
      async dealtWith(messages: number): Promise<void> {
        while (network.inspect().connections[0]?.messagesIn !== messages) {
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
      },
      open(query = ""): { next: () => Promise<unknown>; socket: WebSocket; closed: Promise<unknown> } {
        const socket = new WebSocket(`${String(listener.endpoint)}${query}`);
        socket.binaryType = "arraybuffer";
        const heard: unknown[] = [];
        let wake = (): void => {};
        socket.addEventListener("message", ({ data }) => {
          heard.push(data);
          wake();
        });
        const closed = new Promise<unknown>((resolve) => {
          socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
        });
        const next = async (): Promise<unknown> => {
          while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
          const data = heard.shift();
          return typeof data === "string" ? (JSON.parse(data) as unknown) : data;
        };
        return { next, socket, closed };
      },
      async [Symbol.asyncDispose]() {
        await network.close();
        await world[Symbol.asyncDispose]();
      },
    };
  }

  const opened = (socket: WebSocket): Promise<void> =>
    new Promise((resolve) => socket.addEventListener("open", () => resolve()));

  it("connect with their first message, and may answer pings that nobody waits for", async () => {
    await using server = await serving();
    const { next, socket, closed } = server.open();
    await opened(socket);
    socket.send('{"subs":{"news":{}}}');
    expect(await next()).toEqual(connectPush({ everyone: {}, news: {} }));
    for (const pong of ["{}", new Uint8Array(0), new Uint8Array(1), "{}\n"]) socket.send(pong);
    await server.dealtWith(5);
    expect(server.hub.stats().sessions).toBe(1);
    server.clock.advance(5_500);
    expect(await next()).toEqual({});
    await server.hub.publish("news", 1);
    expect(await next()).toEqual({ channel: "news", pub: { data: 1 } });
    socket.send('{"id":2,"publish":{"channel":"news","data":1}}');
    expect(await closed).toEqual({ code: 3501, reason: "bad request" });
  });

  it("in Protobuf send a bare request and get pushes after their lengths", async () => {
    await using server = await serving();
    const { next, socket, closed } = server.open("?format=protobuf");
    await opened(socket);
    socket.send(new Uint8Array(connectType.encode({ subs: { news: {} } }).finish()));
    const connect = plain(pushType.decodeDelimited(new Uint8Array((await next()) as ArrayBuffer)));
    expect(connect).toEqual(connectPush({ everyone: {}, news: {} }));
    await server.hub.disconnect("");
    expect(await closed).toEqual({ code: 3503, reason: "force disconnect" });
  });

  it.each(["", "[]", "garbage", '{"token":1}'])("end with 3501 after %j", async (request) => {
    await using server = await serving();
    const { socket, closed } = server.open();
    await opened(socket);
    socket.send(request);
    expect(await closed).toEqual({ code: 3501, reason: "bad request" });
  });
});
