import { setImmediate as nextTurn } from "node:timers/promises";
import { copyPayload, type Handler, type Link, Network, type Payload, PolywireError } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { describe, expect, it, vi } from "vitest";
import type { LinkWebSocket, SocketCloseEvent, WebSocketOverOptions } from "../src/index.ts";
import { webSocketOver } from "../src/index.ts";
import { renamedWire } from "./renamed-wire.ts";

vi.setConfig({ testTimeout: 30_000 });

/** Everything that a socket tells, in order. */
function watched(socket: LinkWebSocket): {
  events: unknown[];
  closed: Promise<SocketCloseEvent>;
  opened: Promise<void>;
} {
  const events: unknown[] = [];
  const opened = new Promise<void>((resolve) => {
    socket.onopen = () => {
      events.push("open");
      resolve();
    };
  });
  socket.onmessage = ({ data }) => void events.push(data);
  socket.onerror = ({ error }) => void events.push(error.code);
  const closed = new Promise<SocketCloseEvent>((resolve) => {
    socket.onclose = (event) => {
      events.push(event.code);
      resolve(event);
    };
  });
  return { events, closed, opened };
}

interface Peer {
  readonly link: Link;
  readonly got: Payload[];
}

/** A server at the in-memory wire that keeps what it gets. */
async function serving(options: WebSocketOverOptions & { admit?: Handler["admit"]; read?: boolean } = {}) {
  const { admit, read = true, ...rest } = options;
  const network = new Network({ protocols: [memory()] });
  const peers: Peer[] = [];
  const handler: Handler = {
    ...(admit === undefined ? {} : { admit }),
    link(link) {
      const got: Payload[] = [];
      link.open({
        message: (payload) => void got.push(copyPayload(payload)),
        closed() {},
      });
      if (!read) link.pause();
      peers.push({ link, got });
    },
  };
  const listener = await network.listen("memory://peer:0/", handler);
  const Socket = webSocketOver(network, rest as WebSocketOverOptions<[ReturnType<typeof memory>]>);
  return {
    peers,
    url: listener.endpoint.href,
    socket: (subprotocols?: string) => new Socket(listener.endpoint.href, subprotocols),
    network,
    close: () => listener.close(),
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 1_000 }),
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await nextTurn();
}

describe("a WebSocket over a link", () => {
  it("opens, sends, receives and closes with code and reason", async () => {
    await using server = await serving();
    const socket = server.socket();
    const { events, closed, opened } = watched(socket);
    expect(socket.readyState).toBe(0);
    await opened;
    expect(socket.readyState).toBe(1);
    socket.send("hello");
    await until(() => server.peers[0]?.got.length === 1);
    expect(server.peers[0]?.got).toEqual(["hello"]);
    server.peers[0]?.link.send("there");
    server.peers[0]?.link.close({ code: 3001, reason: "shutdown" });
    expect(await closed).toEqual({ type: "close", code: 3001, reason: "shutdown", wasClean: true });
    expect(events).toEqual(["open", "there", 3001]);
    expect(socket.readyState).toBe(3);
  });

  it("Protobuf goes in bytes, whole both ways, and offers its subprotocol", async () => {
    await using server = await serving({
      admit: ({ offeredSubprotocols }) => ({ accepted: true, subprotocol: offeredSubprotocols?.[0] }),
    });
    const socket = server.socket("centrifuge-protobuf");
    const { events, opened } = watched(socket);
    await opened;
    expect(socket.protocol).toBe("centrifuge-protobuf");
    const sent = new Uint8Array([2, 8, 1]);
    socket.send(sent);
    sent.fill(0);
    await until(() => server.peers[0]?.got.length === 1);
    expect(server.peers[0]?.got).toEqual([new Uint8Array([2, 8, 1])]);
    server.peers[0]?.link.send(new Uint8Array([1, 9]));
    await until(() => events.length === 2);
    expect(new Uint8Array(events[1] as ArrayBuffer)).toEqual(new Uint8Array([1, 9]));
  });

  it("a close while connecting aborts the dial: no open, one close, no error", async () => {
    let asked = (): void => {};
    const asking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    await using server = await serving({
      admit: () => {
        asked();
        return new Promise(() => {});
      },
    });
    const socket = server.socket();
    const { events, closed } = watched(socket);
    await asking;
    socket.close();
    socket.close();
    expect(socket.readyState).toBe(2);
    expect(await closed).toMatchObject({ code: 1006, wasClean: false });
    await nextTurn();
    expect(events).toEqual([1006]);
  });

  it("sends before open and after the end throw, so that no command is lost silently", async () => {
    await using server = await serving();
    const socket = server.socket();
    const { opened, closed } = watched(socket);
    expect(() => socket.send("early")).toThrow(/not open/);
    await opened;
    socket.close();
    expect(() => socket.send("late")).toThrow(/not open/);
    await closed;
    expect(() => socket.send("later")).toThrow(/not open/);
  });

  it("a lost link is code 1006, after which the SDK dials anew", async () => {
    const errors: PolywireError[] = [];
    await using server = await serving({ onError: (error) => void errors.push(error) });
    const { events, closed, opened } = watched(server.socket());
    await opened;
    server.peers[0]?.link.close({ discard: true });
    expect(await closed).toMatchObject({ code: 1006, wasClean: false });
    expect(events.at(-1)).toBe(1006);
    expect(errors.map(({ code }) => code)).toEqual(["connection-reset"]);
  });

  it("a dial that fails is reported, with the cause that the SDK never sees", async () => {
    const errors: PolywireError[] = [];
    await using server = await serving({ onError: (error) => void errors.push(error) });
    await server.close();
    const { events, closed } = watched(server.socket());
    expect(await closed).toMatchObject({ code: 1006, reason: "", wasClean: false });
    expect(events).toEqual(["connection-refused", 1006]);
    expect(errors.map(({ code }) => code)).toEqual(["connection-refused"]);
  });

  it("a command over the limit fails alone, and the socket stays open", async () => {
    await using server = await serving({ limits: { maxMessageBytes: 10 } });
    const socket = server.socket();
    const { opened, events } = watched(socket);
    await opened;
    expect(() => socket.send("x".repeat(11))).toThrow(/11 bytes is over the limit of 10/);
    socket.send("fits");
    await until(() => server.peers[0]?.got.length === 1);
    expect(server.peers[0]?.got).toEqual(["fits"]);
    expect(events).toEqual(["open"]);
  });

  it("a peer that is behind for too long is cut: the send throws, and the end is one that the SDK retries", async () => {
    await using server = await serving({ read: false, limits: { maxBufferedBytes: 1_000, waitAboveBytes: 500 } });
    const socket = server.socket();
    const { events, closed, opened } = watched(socket);
    await opened;
    let error: unknown;
    for (let count = 0; count < 1_000 && error === undefined; count++) {
      try {
        socket.send("x".repeat(100));
      } catch (thrown) {
        error = thrown;
      }
    }
    expect(error).toMatchObject({ code: "overflow" });
    expect(await closed).toMatchObject({ code: 1006, wasClean: false });
    expect(events).toEqual(["open", "overflow", 1006]);
  });

  it("bufferedAmount counts what waits", async () => {
    await using server = await serving();
    const socket = server.socket();
    expect(socket.bufferedAmount).toBe(0);
    await watched(socket).opened;
    socket.send("12345");
    expect(socket.bufferedAmount).toBeGreaterThanOrEqual(5);
    await until(() => socket.bufferedAmount === 0);
  });

  it("handlers that throw are reported and disturb nothing", async () => {
    const errors: string[] = [];
    await using server = await serving({ onError: ({ cause }) => void errors.push(String(cause)) });
    const socket = server.socket();
    const { opened, closed } = watched(socket);
    const { onopen, onclose } = socket;
    socket.onopen = (event) => {
      onopen?.(event);
      throw new Error("open");
    };
    socket.onmessage = () => {
      throw new Error("message");
    };
    socket.onclose = (event) => {
      onclose?.(event);
      throw new Error("close");
    };
    await opened;
    server.peers[0]?.link.send("x");
    server.peers[0]?.link.close();
    await closed;
    await until(() => errors.length === 3);
    expect(errors).toEqual(["Error: open", "Error: message", "Error: close"]);
  });

  it("the SDK hears the last message before the end: a reason for it among them", async () => {
    await using server = await serving();
    const client = new Centrifuge(server.url, { websocket: webSocketOver(server.network) });
    const disconnected = new Promise((resolve) => void client.once("disconnected", resolve));
    client.connect();
    await until(() => server.peers[0]?.got.length === 1);
    server.peers[0]?.link.send('{"push":{"disconnect":{"code":3500,"reason":"enough"}}}');
    server.peers[0]?.link.close({ discard: false });
    expect(await disconnected).toMatchObject({ code: 3500, reason: "enough" });
  });
});

describe("what no retry can help ends the SDK for good and says why", () => {
  const cases = [
    ["nowhere://x/", {}, /no protocol for "nowhere:\/\/x\/": this network knows memory/],
    ["not a url", {}, /invalid URL/],
    ["memory://x/", { dial: { memory: { subprotocol: [] } } }, /unknown option "subprotocol"/],
  ] as const;

  it.each(cases)("%s", async (url, options, reason) => {
    await using server = await serving();
    const websocket = webSocketOver(server.network, options as WebSocketOverOptions<[ReturnType<typeof memory>]>);
    const client = new Centrifuge(url, { websocket });
    const disconnected = new Promise<{ code: number; reason: string }>(
      (resolve) => void client.once("disconnected", resolve),
    );
    client.connect();
    const end = await disconnected;
    expect(end.code).toBe(4500);
    expect(end.reason).toMatch(reason);
  });

  it("JSON over gRPC", async () => {
    const { protocol } = renamedWire("grpc");
    await using network = new Network({ protocols: [protocol] });
    const client = new Centrifuge("grpc://x:1", { websocket: webSocketOver(network) });
    const disconnected = new Promise((resolve) => void client.once("disconnected", resolve));
    client.connect();
    expect(await disconnected).toMatchObject({
      code: 4500,
      reason: expect.stringContaining("centrifuge/build/protobuf"),
    });
  });
});

describe("how each wire is dialled and framed", () => {
  const rows = [
    ["tcp", "json", { framing: "lines" }, "single"],
    ["tcps", "protobuf", { framing: "varint" }, "single"],
    ["unix", "json", { framing: "lines" }, "single"],
    ["udp", "json", { mode: "reliable" }, "joined"],
    ["udp", "protobuf", { mode: "reliable", subprotocols: ["centrifuge-protobuf"] }, "joined"],
    ["wss", "json", {}, "joined"],
    ["wss", "protobuf", { subprotocols: ["centrifuge-protobuf"] }, "joined"],
    ["grpcs", "protobuf", {}, "single"],
    ["pigeon", "json", {}, "joined"],
  ] as const;

  it.each(rows)("%s in %s", async (scheme, encoding, dialOptions, frames) => {
    const wire = renamedWire(scheme);
    await using network = new Network({ protocols: [wire.protocol] });
    const got: Payload[] = [];
    const path = scheme === "grpcs" ? "/polywire.centrifuge.v1.Centrifuge/Connect" : "/";
    const listener = await network.listen(`${scheme}://x:0${path}`, (link) =>
      link.open({ message: (payload) => void got.push(copyPayload(payload)), closed() {} }),
    );
    const websocket = webSocketOver(network, {
      headers: { "x-from": "here" },
      dial: { [scheme]: { extra: 1 } } as object,
    });
    const Sdk = encoding === "json" ? Centrifuge : ProtobufCentrifuge;
    const client = new Sdk(`${scheme}://x:${listener.endpoint.port}`, { websocket });
    client.startBatching();
    client.connect();
    await until(() => got.length > 0);
    client.disconnect();
    const [dial] = wire.dials;
    expect(dial?.options).toEqual({ ...dialOptions, extra: 1 });
    expect(dial?.metadata).toEqual(new Map([["x-from", "here"]]));
    expect(new URL(dial?.url ?? "").pathname || "/").toBe(path);
    // The first command is `connect` with id 1: a Protobuf Command begins with field 1.
    const [first] = got;
    if (encoding === "json") expect(JSON.parse(String(first))).toMatchObject({ id: 1, connect: {} });
    else {
      const bytes = first as Uint8Array;
      expect(bytes[0] === bytes.byteLength - 1 ? "joined" : "single").toBe(frames);
      expect(bytes[frames === "single" ? 0 : 1]).toBe(0x08);
    }
  });

  it("a stranger's protocol says how it frames", async () => {
    const wire = renamedWire("pigeon");
    await using network = new Network({ protocols: [wire.protocol] });
    const got: Payload[] = [];
    const listener = await network.listen("pigeon://x:0/", (link) =>
      link.open({ message: (payload) => void got.push(copyPayload(payload)), closed() {} }),
    );
    const socket = new (webSocketOver(network, { frames: "single" }))(listener.endpoint.href);
    await watched(socket).opened;
    socket.send("{}\n{}");
    await until(() => got.length === 2);
    expect(got).toEqual(["{}", "{}"]);
  });
});

describe("options", () => {
  it.each([
    [{ frame: "joined" }, /unknown option "frame": did you mean "frames"\?/],
    [{ frames: "lines" }, /frames is "lines": give "joined", "single"/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/],
    [{ dial: { memory: 1 } }, /dial\.memory is 1: give an object/],
    [{ headers: { a: 1 } }, /headers\.a is 1: give a string/],
    [{ limits: { maxMessageByte: 1 } }, /unknown limit "maxMessageByte"/],
    [{ onError: 1 }, /onError is 1: give a function/],
  ])("%j is refused at the call", (options, message) => {
    const network = new Network({ protocols: [memory()] });
    const call = (): unknown => webSocketOver(network, options as WebSocketOverOptions<[ReturnType<typeof memory>]>);
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code: "invalid-argument" }) as Error);
  });
});
