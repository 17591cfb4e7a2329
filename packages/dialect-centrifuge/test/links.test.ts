import { type AnyProtocol, type Connection, Network, type Payload, PolywireError, type Traits } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { Hub } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type CentrifugeOptions, centrifuge } from "../src/index.ts";
import { PLACE, RecordingLink } from "./recording-link.ts";
import { connected, ScriptedHub } from "./scripted-hub.ts";
import { ENCODINGS, frame, type Message } from "./wire-client.ts";

/** Lines of text, as over TCP in that framing. */
const LINES: Partial<Traits> = { content: "line", closeCodes: false, halfClose: true };

function over(traits: Partial<Traits>, options: CentrifugeOptions = {}, query = "") {
  const hub = new ScriptedHub();
  const link = new RecordingLink({ query }, undefined, traits);
  centrifuge(hub, options).link(link, PLACE);
  return { hub, link, session: hub.session };
}

const connect = '{"id":1,"connect":{}}';
const connectReply: Message = { id: 1, connect: { client: "c1", version: "1.0", ping: 25, pong: true } };

describe("lines of text", () => {
  it("are commands, with or without a carriage return, and blank ones are nothing", () => {
    const { link, session } = over(LINES);
    for (const line of ["", "\r", " \t", `${connect}\r`, "", '{"id":2,"unsubscribe":{"channel":"news"}}'])
      link.receive(line);
    expect(link.take()).toEqual([connectReply]);
    expect(session.calls.map(([name]) => name)).toEqual(["connect", "unsubscribe"]);
    expect(session.isClosed).toBe(false);
  });

  it("are written without line ends, which the wire has itself", () => {
    const { link } = over(LINES);
    link.receive(connect);
    expect(link.sentPayloads).toEqual([expect.stringMatching(/^\{[^\n]*\}$/)]);
  });

  it("end with 3501 after what is no command", () => {
    const { link } = over(LINES);
    link.receive("hello");
    expect(link.take()).toEqual([{ push: { disconnect: { code: 3501, reason: "bad request" } } }]);
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
  });

  it.each<[CentrifugeOptions, string]>([
    [{ format: "protobuf" }, ""],
    [{}, "format=protobuf"],
  ])("carry no Protobuf: %j, %j", (options, query) => {
    expect(() => over(LINES, options, query)).toThrow(
      /Protobuf does not fit into lines of text: use JSON, or .*"varint"/,
    );
  });

  it("elsewhere an empty message is no command and ends with 3501", () => {
    const { link } = over({});
    link.receive("");
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
  });
});

describe("which encoding a link speaks", () => {
  it.each<[CentrifugeOptions, string, string]>([
    [{}, "", "json"],
    [{ format: "protobuf" }, "", "protobuf"],
    [{ format: "protobuf" }, "format=json", "json"],
    [{ format: "protobuf" }, "cf_protocol=json", "json"],
    [{ format: "json" }, "format=protobuf", "protobuf"],
    [{ format: "json" }, "format=other", "json"],
  ])("with %j and the query %j: %s", (options, query, encoding) => {
    const { hub } = over({}, options, query);
    expect(hub.session.origin.encoding).toBe(encoding);
  });

  it("bare Protobuf is one command in each message, and its end is told in a push as well", () => {
    const { link, session } = over({}, { format: "protobuf", delimited: false });
    const sent: Uint8Array[] = [];
    link.send = (payload) => {
      sent.push(payload as Uint8Array);
      return "sent";
    };
    link.receive((frame("protobuf", { id: 1, connect: {} }) as Uint8Array).slice(1));
    session.take();
    const { outlet } = session;
    outlet.ping();
    outlet.disconnect({ code: 3001, reason: "shutdown" }, false);
    const [reply, ping, farewell] = sent;
    // Without their lengths: the first byte is the tag of a field.
    expect([reply?.[0], ping?.length, farewell?.[0]]).toEqual([0x08, 0, 0x22]);
    expect(link.closeReason).toMatchObject({ code: 3001, reason: "shutdown" });
  });
});

describe("without pongs", () => {
  it.each(ENCODINGS)("the client is told of no pings, and the hub sends none, in %s", (encoding) => {
    const { link, session } = over({}, { format: encoding, pong: false });
    session.answersConnects = false;
    link.receive(frame(encoding, { id: 1, connect: {} }));
    expect(session.take()).toEqual([["connect", { pings: "none" }]]);
    session.answer(undefined, { ...connected, pingIntervalMs: 0, isPongExpected: false } as never);
    expect(link.take()).toEqual([{ id: 1, connect: { client: "c1", version: "1.0" } }]);
  });
});

describe.each(ENCODINGS)("a stream of bytes in %s", (encoding) => {
  async function serving() {
    const hub = new Hub({ channels: [{ match: "*", publish: "clients" }], limits: { publicationBytes: 1_024 } });
    const protocols: readonly AnyProtocol[] = [memory({ kind: "stream" })];
    const network = new Network({ protocols, services: [hub] });
    const clients = new Network({ protocols });
    const listener = await network.listen("memory://hub:0/", centrifuge(hub, { format: encoding }));
    return {
      hub,
      async dial(): Promise<{ connection: Connection; heard: () => string; closed: Promise<unknown> }> {
        const connection = await clients.connect(String(listener.endpoint), { reconnect: false });
        let heard = "";
        connection.on("data", (data) => {
          heard += Buffer.from(data as Uint8Array).toString("latin1");
        });
        const closed = new Promise((resolve) => void connection.on("close", resolve));
        return { connection, heard: () => heard, closed };
      },
      async [Symbol.asyncDispose]() {
        await clients.close();
        await network.close();
      },
    };
  }

  const stream = (...commands: readonly Message[]): Payload =>
    encoding === "json"
      ? commands.map((command) => `${JSON.stringify(command)}\n`).join("")
      : frame(encoding, ...commands);
  const badRequest = encoding === "json" ? '{"push":{"disconnect":{"code":3501,' : "bad request";

  it("takes commands wherever they are cut, and answers each with its end", async () => {
    await using server = await serving();
    const { connection, heard } = await server.dial();
    const bytes = Buffer.from(stream({ id: 1, connect: {} }, { id: 2, rpc: { method: "none" } }) as string);
    for (const byte of bytes) connection.send(new Uint8Array([byte]));
    while (!heard().includes("not available")) await new Promise<void>((resolve) => setImmediate(resolve));
    const json = /^\{"id":1,"connect":[^\n]*\n\{"id":2,"error":[^\n]*\}\n$/;
    expect(heard()).toMatch(encoding === "json" ? json : /\x08\x02\x12[^]*not available$/);
  });

  it("of a command that is too long ends before all of it has come, with 3501 in a push", async () => {
    await using server = await serving();
    const { connection, heard, closed } = await server.dial();
    connection.send(stream({ id: 1, connect: {} }));
    const { maxMessageBytes } = server.hub.linkLimits;
    // A length that promises more than may come; as a line, more than may come.
    connection.send(encoding === "json" ? "x".repeat(maxMessageBytes + 1) : new Uint8Array([0xff, 0xff, 0xff, 0x7f]));
    await closed;
    expect(heard()).toContain(badRequest);
    expect(server.hub.stats()).toMatchObject({ sessions: 0, badRequests: 1 });
  });

  it("that ends in the middle of a command is a bad request; one that ends after it gets its replies, and the end", async () => {
    await using server = await serving();
    const half = await server.dial();
    half.connection.send(stream({ id: 1, connect: {} }));
    half.connection.send(encoding === "json" ? '{"id":2,' : new Uint8Array([9, 8]));
    (half.connection.link as unknown as { end(): void }).end();
    await half.closed;
    expect(half.heard()).toContain(badRequest);

    const whole = await server.dial();
    whole.connection.send(
      stream({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } }, { id: 3, rpc: { method: "none" } }),
    );
    (whole.connection.link as unknown as { end(): void }).end();
    expect(await whole.closed).toMatchObject({ by: "remote", clean: true });
    expect(whole.heard()).toContain("not available");
    expect(whole.heard()).not.toContain("disconnect");
    expect(server.hub.stats()).toMatchObject({ sessions: 0, connects: 2, subscriptions: 0 });
  });
});

describe("options", () => {
  it.each<[CentrifugeOptions, RegExp]>([
    [{ format: "protbuf" as "protobuf" }, /format is "protbuf": did you mean "protobuf"\?/],
    [{ delimited: 1 as unknown as boolean }, /delimited is 1: give true or false/],
    [{ pong: "no" as unknown as boolean }, /pong is "no": give true or false/],
    [{ maxDatagramsInFlight: 0 }, /maxDatagramsInFlight is 0: give a positive integer/],
    [
      { allowedOrigins: "https://a" as unknown as string[] },
      /allowedOrigins is "https:\/\/a": give an array of strings/,
    ],
    [{ keepHeaders: [1] as unknown as string[] }, /keepHeaders is an array: give an array of strings/],
    [{ pongs: true } as CentrifugeOptions, /unknown option "pongs": did you mean "pong"\?/],
  ])("%j: refused at the call, by name", (options, message) => {
    expect(() => centrifuge(new ScriptedHub(), options)).toThrow(message);
    expect(() => centrifuge(new ScriptedHub(), options)).toThrow(PolywireError);
  });
});
