import { type Clock, type Peer, systemClock } from "@polywire/core";
import { DISCONNECTS, type Dialect, ERRORS, type PublicationEvent, type SubscribeResult } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type CentrifugeOptions, centrifuge } from "../src/index.ts";
import { CountingFraming, PLACE, RecordingLink } from "./recording-link.ts";
import { connected, ScriptedHub } from "./scripted-hub.ts";
import { ENCODINGS, frame, type Message } from "./wire-client.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const subscribed: SubscribeResult = {
  isRecoverable: true,
  isPositioned: true,
  isRecovered: false,
  wasRecovering: false,
  position: { offset: 5, epoch: "abcd" },
  publications: [],
};

const publicationEvent = (text: string): PublicationEvent => ({
  kind: "publication",
  channel: "news",
  publication: { data: bytes(text), format: "json", offset: 6 },
});

describe.each(ENCODINGS)("the dispatcher in %s", (encoding) => {
  const peer: Partial<Peer> = encoding === "protobuf" ? { subprotocol: "centrifuge-protobuf" } : {};

  function client(options: CentrifugeOptions = {}, link = new RecordingLink(peer)) {
    const hub = new ScriptedHub();
    centrifuge(hub, options).link?.(link, PLACE);
    const say = (...commands: readonly Message[]): void => link.receive(frame(encoding, ...commands));
    return { hub, link, session: hub.session, say };
  }

  function connectedClient(options: CentrifugeOptions = {}) {
    const made = client(options);
    made.say({ id: 1, connect: { name: "test" } });
    made.link.take();
    made.session.take();
    return made;
  }

  it("connects, and hands over everything the client said", () => {
    const { link, session, say } = client();
    say({
      id: 1,
      connect: {
        token: "secret",
        data: { a: 1 },
        name: "js",
        version: "5",
        headers: { h: "v" },
        subs: { "#42": { recover: true, offset: 3, epoch: "abcd" } },
      },
    });
    expect(session.take()).toEqual([
      [
        "connect",
        {
          token: "secret",
          data: bytes('{"a":1}'),
          name: "js",
          version: "5",
          headers: new Map([["h", "v"]]),
          subscriptions: new Map([["#42", { recover: true, since: { offset: 3, epoch: "abcd" } }]]),
        },
      ],
    ]);
    expect(link.take()).toEqual([{ id: 1, connect: { client: "c1", version: "1.0", ping: 25, pong: true } }]);
    expect(session.origin).toMatchObject({ transport: "test", encoding });
  });

  it("tells server-side subscriptions and data with the connect reply", () => {
    const { link, session, say } = client();
    session.answersConnects = false;
    say({ id: 1, connect: {} });
    session.answer(undefined, {
      ...connected,
      data: bytes('{"hello":1}'),
      pingIntervalMs: 0,
      isPongExpected: false,
      subscriptions: new Map([["#42", { ...subscribed, data: bytes("[1]") }]]),
    });
    expect(link.take()).toEqual([
      {
        id: 1,
        connect: {
          client: "c1",
          version: "1.0",
          data: { hello: 1 },
          subs: { "#42": { recoverable: true, positioned: true, epoch: "abcd", offset: 5, data: [1] } },
        },
      },
    ]);
  });

  it("holds the commands behind a connect until it is answered, in order", () => {
    const { link, session, say } = client();
    session.answersConnects = false;
    say(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: "a" } },
      { id: 3, publish: { channel: "a", data: { x: 1 } } },
    );
    expect(session.take().map(([name]) => name)).toEqual(["connect"]);
    expect(link.isPaused).toBe(true);

    session.answer(undefined, connected);
    expect(session.take()).toMatchObject([
      ["subscribe", { channel: "a" }],
      ["publish", "a", '{"x":1}', encoding === "json" ? "json" : "binary"],
    ]);
    expect(link.isPaused).toBe(false);
    session.answer(undefined, subscribed);
    session.answer(undefined, undefined);
    expect(link.take().map((reply) => reply["id"])).toEqual([1, 2, 3]);
  });

  it("drops what follows a refused connect, and ends who goes on", () => {
    const { link, session, say } = client();
    session.answersConnects = false;
    say({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "a" } });
    session.answer(ERRORS.tokenExpired, undefined);
    expect(link.take()).toEqual([{ id: 1, error: { code: 109, message: "token expired" } }]);
    expect(session.take()).toMatchObject([["connect", {}]]);
    expect(link.closeReason).toBeUndefined();

    say({ id: 3, publish: { channel: "a", data: 1 } });
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
  });

  it("survives a link that is lost while a connect is under way", () => {
    const { link, session, say } = client();
    session.answersConnects = false;
    say({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "a" } });
    link.drop();
    expect(session.take().map(([name]) => name)).toEqual(["connect", "closed"]);
  });

  it.each<[string, Message]>([
    ["subscribe", { id: 1, subscribe: { channel: "a" } }],
    ["publish", { id: 1, publish: { channel: "a", data: 1 } }],
    ["a pong", {}],
    ["send", { send: { data: 1 } }],
    ["rpc", { id: 1, rpc: { method: "m" } }],
    ["refresh", { id: 1, refresh: { token: "t" } }],
    ["a filtered subscribe", { id: 1, subscribe: { channel: "a", tf: { cmp: "ex", key: "k" } } }],
  ])("ends who begins with %s instead of connect", (_, command) => {
    const { link, session, say } = client();
    say(command);
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
    expect([link.take(), session.take()]).toEqual([[], []]);
  });

  it.each<[string, Message]>([
    ["a second connect", { id: 2, connect: {} }],
    ["a command without a request", { id: 99 }],
    ["a request without an id", { publish: { channel: "a", data: 1 } }],
    ["a subscribe without a channel", { id: 2, subscribe: { data: 1 } }],
    ["an unsubscribe without a channel", { id: 2, unsubscribe: {} }],
    ["a publish without a channel", { id: 2, publish: { data: 1 } }],
    ["a presence without a channel", { id: 2, presence: {} }],
    ["a presence_stats without a channel", { id: 2, presence_stats: {} }],
    ["a history without a channel", { id: 2, history: { limit: 1 } }],
    ["a sub_refresh without a channel", { id: 2, sub_refresh: { token: "t" } }],
    ["a refresh without a token", { id: 2, refresh: {} }],
    ["an unknown delta", { id: 2, subscribe: { channel: "a", delta: "xdelta" } }],
    ["a ping", { id: 2, ping: {} }],
  ])("ends who sends %s", (_, command) => {
    const { link, session, say } = connectedClient();
    say(command, { id: 3, publish: { channel: "b", data: 1 } });
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
    expect([link.take(), session.take()]).toEqual([[], []]);
  });

  it("ends who sends a frame that cannot be read, after what came before it in the frame", () => {
    const { link, session } = connectedClient();
    const good = frame(encoding, { id: 2, publish: { channel: "a", data: 1 } });
    const bad = typeof good === "string" ? `${good}\n{"id":3,` : new Uint8Array([...good, 0x05, 0x08]);
    link.receive(bad);
    expect(session.take()).toEqual([["publish", "a", "1", encoding === "json" ? "json" : "binary"]]);
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
    link.receive(good);
    expect(session.take()).toEqual([]);
  });

  it("ends who sends an empty frame", () => {
    const { link } = connectedClient();
    link.receive(encoding === "json" ? "" : new Uint8Array(0));
    expect(link.closeReason?.code).toBe(3501);
  });

  it("takes 256 commands in a frame and not one more", () => {
    const { link, session, say } = connectedClient();
    const commands = (count: number): Message[] =>
      Array.from({ length: count }, (_, index) => ({ id: index + 2, unsubscribe: { channel: `c${index}` } }));
    say(...commands(256));
    expect(session.take()).toHaveLength(256);
    expect(link.closeReason).toBeUndefined();
    say(...commands(257));
    expect(link.closeReason).toEqual({ code: 3501, reason: "bad request" });
  });

  it("subscribes with everything asked for, and tells everything granted", () => {
    const { link, session, say } = connectedClient();
    say({
      id: 2,
      subscribe: {
        channel: "news",
        token: "t",
        data: { a: 1 },
        recover: true,
        offset: 3,
        epoch: "abcd",
        positioned: true,
        recoverable: true,
        join_leave: true,
        flag: 3,
        delta: "fossil",
      },
    });
    expect(session.take()).toEqual([
      [
        "subscribe",
        {
          channel: "news",
          token: "t",
          data: bytes('{"a":1}'),
          recover: true,
          since: { offset: 3, epoch: "abcd" },
          positioned: true,
          recoverable: true,
          joinLeave: true,
          delta: "fossil",
          compaction: true,
          rejectUnrecovered: true,
        },
      ],
    ]);
    session.answer(undefined, {
      ...subscribed,
      isRecovered: true,
      wasRecovering: true,
      position: { offset: 3, epoch: "abcd" },
      data: bytes("7"),
      publications: [
        {
          data: bytes('{"n":4}'),
          format: "json",
          offset: 4,
          info: { client: "c2", user: "u", connectionInfo: bytes("{}") },
        },
        { data: bytes('{"n":5}'), format: "json", offset: 5, tags: new Map([["k", "v"]]) },
      ],
    });
    expect(link.take()).toEqual([
      {
        id: 2,
        subscribe: {
          recoverable: true,
          positioned: true,
          epoch: "abcd",
          offset: 3,
          recovered: true,
          was_recovering: true,
          data: 7,
          publications: [
            { data: { n: 4 }, offset: 4, info: { client: "c2", user: "u", conn_info: {} } },
            { data: { n: 5 }, offset: 5, tags: { k: "v" } },
          ],
        },
      },
    ]);
  });

  it("does not ask to be refused when the client did not", () => {
    const { session, say } = connectedClient();
    say({ id: 2, subscribe: { channel: "news", flag: 1 } });
    expect(session.take()).toMatchObject([["subscribe", { rejectUnrecovered: false, recover: false }]]);
  });

  it.each<[string, Message, number]>([
    ["a map subscription", { type: 1 }, 103],
    ["a shared poll", { type: 4 }, 108],
  ])("answers a subscribe with %s with an error", (_, extra, code) => {
    const { link, session, say } = connectedClient();
    say({ id: 2, subscribe: { channel: "news", ...extra } });
    expect(link.take()).toMatchObject([{ id: 2, error: { code } }]);
    expect(session.take()).toEqual([]);
  });

  it("tells a recovery that is too large for the link as one that failed", () => {
    const { link, session, say } = connectedClient();
    link.maxMessageBytes = 1_000;
    say({ id: 2, subscribe: { channel: "news", recover: true, offset: 3, epoch: "abcd" } });
    session.answer(undefined, {
      ...subscribed,
      isRecovered: true,
      wasRecovering: true,
      position: { offset: 3, epoch: "abcd" },
      publications: [4, 5].map((offset) => ({ data: bytes(`"${"x".repeat(1_000)}"`), format: "json", offset })),
    });
    expect(link.take()).toEqual([
      { id: 2, subscribe: { recoverable: true, positioned: true, epoch: "abcd", offset: 5, was_recovering: true } },
    ]);
  });

  it("answers the other commands", () => {
    const { link, session, say } = connectedClient();
    say(
      { id: 2, presence: { channel: "room" } },
      { id: 3, presence_stats: { channel: "room" } },
      { id: 4, history: { channel: "news", limit: -1, since: { offset: 1, epoch: "abcd" }, reverse: true } },
      { id: 5, rpc: { method: "sum", data: [1, 2] } },
      { id: 6, unsubscribe: { channel: "news" } },
      { send: { data: "hello" } },
      { id: 7, refresh: { token: "new" } },
      { id: 8, sub_refresh: { channel: "news", token: "new" } },
      {},
    );
    expect(session.take()).toEqual([
      ["presence", "room"],
      ["presenceStats", "room"],
      ["history", { channel: "news", limit: -1, since: { offset: 1, epoch: "abcd" }, isReverse: true }],
      ["call", "sum", "[1,2]"],
      ["unsubscribe", "news"],
      ["send", '"hello"', encoding === "json" ? "json" : "binary"],
      ["refresh", "new"],
      ["refreshSubscription", "news", "new"],
      ["pong"],
    ]);
    session.answer(undefined, [{ client: "c1", user: "42", connectionInfo: bytes('{"name":"Ann"}') }]);
    session.answer(undefined, { clients: 2, users: 1 });
    session.answer(undefined, {
      publications: [{ data: bytes("[2]"), format: "json", offset: 2 }],
      position: { offset: 2, epoch: "abcd" },
    });
    session.answer(undefined, bytes("3"));
    session.answer(undefined, undefined);
    session.answer(undefined, { ttlMs: 59_001 });
    session.answer(undefined, {});
    expect(link.take()).toEqual([
      { id: 2, presence: { presence: { c1: { client: "c1", user: "42", conn_info: { name: "Ann" } } } } },
      { id: 3, presence_stats: { num_clients: 2, num_users: 1 } },
      { id: 4, history: { publications: [{ data: [2], offset: 2 }], epoch: "abcd", offset: 2 } },
      { id: 5, rpc: { data: 3 } },
      { id: 6, unsubscribe: {} },
      { id: 7, refresh: { expires: true, ttl: 60 } },
      { id: 8, sub_refresh: {} },
    ]);
  });

  it.each(Object.values(ERRORS))("tells error $code with its temporary flag", (error) => {
    const { link, session, say } = connectedClient();
    say({ id: 2, publish: { channel: "a", data: 1 } });
    session.answer(error, undefined);
    expect(link.take()).toEqual([
      { id: 2, error: { code: error.code, message: error.message, ...(error.isTemporary ? { temporary: true } : {}) } },
    ]);
    expect([100, 111].includes(error.code)).toBe(error.isTemporary);
  });

  it("gives as much of a page of history as a message can carry", () => {
    const { link, session, say } = connectedClient();
    link.maxMessageBytes = 500;
    say({ id: 2, history: { channel: "a", limit: 10 } });
    const publications = Array.from({ length: 10 }, (_, index) => ({
      data: bytes(`"${"x".repeat(100)}"`),
      format: "json" as const,
      offset: index + 1,
    }));
    session.answer(undefined, { publications, position: { offset: 10, epoch: "e" } });
    expect(link.take()).toMatchObject([
      { id: 2, history: { publications: [{ offset: 1 }, { offset: 2 }, { offset: 3 }], offset: 10 } },
    ]);
  });

  it("answers history, presence and calls that no message can carry with error 106", () => {
    const { link, session, say } = connectedClient();
    link.maxMessageBytes = 100;
    const large = bytes(`"${"x".repeat(200)}"`);
    say(
      { id: 2, history: { channel: "a", limit: 1 } },
      { id: 3, presence: { channel: "a" } },
      { id: 4, rpc: { method: "m" } },
    );
    session.answer(undefined, { publications: [{ data: large, format: "json" }], position: { offset: 1, epoch: "e" } });
    session.answer(undefined, [{ client: "c", user: "u", channelInfo: large }]);
    session.answer(undefined, large);
    expect(link.take().map((reply) => (reply["error"] as Message)["code"])).toEqual([106, 106, 106]);
  });

  it("ends who sent ten bad commands in ten seconds", () => {
    let now = 0;
    const clock: Clock = { ...systemClock, now: () => now };
    const { link, session, say } = connectedClient({ clock });
    const bad = (): void => {
      say({ id: 2, publish: { channel: "a" } });
      session.answer(ERRORS.badRequest, undefined);
    };
    for (let count = 0; count < 9; count++) bad();
    now = 10_001;
    for (let count = 0; count < 9; count++) bad();
    expect(link.closeReason).toBeUndefined();
    bad();
    expect(link.closeReason).toEqual({ code: 3509, reason: "too many errors" });
  });

  it("tells what the hub tells", () => {
    const { link, session } = connectedClient();
    const { outlet } = session;
    outlet.event({ ...publicationEvent('{"x":1}'), epoch: "abcd" });
    outlet.event({ kind: "join", channel: "room", info: { client: "c2", user: "u" } });
    outlet.event({ kind: "leave", channel: "room", info: { client: "c2", user: "u" } });
    outlet.unsubscribed("news", { code: 2500, reason: "insufficient state" });
    outlet.subscribed("alerts", { ...subscribed, data: bytes("1") });
    outlet.message(bytes('{"hi":1}'), "json");
    outlet.ping();
    expect(link.take()).toEqual([
      { push: { channel: "news", pub: { data: { x: 1 }, offset: 6, epoch: "abcd" } } },
      { push: { channel: "room", join: { info: { client: "c2", user: "u" } } } },
      { push: { channel: "room", leave: { info: { client: "c2", user: "u" } } } },
      { push: { channel: "news", unsubscribe: { code: 2500, reason: "insufficient state" } } },
      {
        push: {
          channel: "alerts",
          subscribe: { recoverable: true, positioned: true, epoch: "abcd", offset: 5, data: 1 },
        },
      },
      { push: { message: { data: { hi: 1 } } } },
      {},
    ]);
    outlet.disconnect({ code: 3001, reason: "shutdown" }, false);
    expect(link.closeReason).toEqual({ code: 3001, reason: "shutdown" });
  });

  it.each([
    ["123", "123."],
    ['{"reason":"x"}', '{"reason":"x"}.'],
    ["true", "true."],
    ["no more room", "no more room"],
  ])("closes with a reason that does not read as JSON: %s", (reason, told) => {
    const { link, session } = connectedClient();
    session.outlet.disconnect({ code: 4000, reason }, true);
    expect(link.closeReason).toEqual({ code: 4000, reason: told, discard: true });
  });

  it("ends who is too far behind to take a reply", () => {
    const { link, session, say } = connectedClient();
    link.isFull = true;
    say({ id: 2, publish: { channel: "a", data: 1 } });
    session.answer(undefined, undefined);
    expect(link.closeReason?.code).toBe(3008);
  });

  it("says that a full link refused an event, and leaves the verdict to the hub", () => {
    const { link, session } = connectedClient();
    link.isFull = true;
    expect(session.outlet.event(publicationEvent("1"))).toBe("refused");
    expect(link.closeReason).toBeUndefined();
  });

  it("encodes and frames one event once for all links that frame alike", () => {
    const hub = new ScriptedHub();
    const handler = centrifuge(hub);
    const framing = new CountingFraming();
    const links = [1, 2, 3].map(() => new RecordingLink(peer, framing));
    for (const link of links) handler.link?.(link, PLACE);
    const events = [publicationEvent("1"), publicationEvent("2")];
    for (const event of events) for (const session of hub.sessions) session.outlet.event(event);
    for (const link of links)
      expect(link.take()).toMatchObject([{ push: { pub: { data: 1 } } }, { push: { pub: { data: 2 } } }]);
    expect(framing.prepared).toBe(2);
    expect(links[0]?.sentPayloads[1]).toBe(links[2]?.sentPayloads[1]);
    for (const session of hub.sessions) session.outlet.ping();
    for (const session of hub.sessions) session.outlet.ping();
    expect(framing.prepared).toBe(3);
  });
});

describe("the dispatcher", () => {
  it.each(ENCODINGS)("tells the end in a push of %s where the wire carries no close codes", (encoding) => {
    const hub = new ScriptedHub();
    const peer = encoding === "protobuf" ? { subprotocol: "centrifuge-protobuf" } : {};
    const link = new RecordingLink(peer, undefined, { closeCodes: false });
    centrifuge(hub).link?.(link, PLACE);
    hub.session.outlet.disconnect(DISCONNECTS.shutdown, false);
    expect(link.take()).toEqual([{ push: { disconnect: { code: 3001, reason: "shutdown" } } }]);
    expect(link.closeReason).toEqual({ code: 3001, reason: "shutdown" });
  });

  it("drops the push of the end together with everything else that a slow client has not taken", () => {
    const hub = new ScriptedHub();
    const link = new RecordingLink({}, undefined, { closeCodes: false });
    centrifuge(hub).link?.(link, PLACE);
    hub.session.outlet.disconnect(DISCONNECTS.slow, true);
    expect(link.take()).toEqual([]);
    expect(link.closeReason).toMatchObject({ code: 3008, discard: true });
  });

  it("gives JSON clients base64 with a tag, and Protobuf clients bytes", () => {
    const hub = new ScriptedHub();
    const handler = centrifuge(hub);
    const json = new RecordingLink();
    const protobuf = new RecordingLink({ query: "format=protobuf" });
    handler.link?.(json, PLACE);
    handler.link?.(protobuf, PLACE);
    const data = new Uint8Array([0, 255, 128]);
    const event: PublicationEvent = { kind: "publication", channel: "b", publication: { data, format: "binary" } };
    for (const session of hub.sessions) session.outlet.event(event);
    expect(json.take()).toEqual([{ push: { channel: "b", pub: { data: "AP+A", tags: { encoding: "base64" } } } }]);
    expect(protobuf.take()).toEqual([{ push: { channel: "b", pub: { data } } }]);
  });

  it.each<[Partial<Peer>, string]>([
    [{}, "json"],
    [{ query: "cf_protocol_version=v2" }, "json"],
    [{ subprotocol: "centrifuge-json" }, "json"],
    [{ subprotocol: "centrifuge-protobuf" }, "protobuf"],
    [{ query: "a=b&format=protobuf" }, "protobuf"],
    [{ query: "cf_protocol=protobuf" }, "protobuf"],
  ])("speaks to the peer %j in %s", (peer, encoding) => {
    const hub = new ScriptedHub();
    centrifuge(hub).link?.(new RecordingLink(peer), PLACE);
    expect(hub.session.origin.encoding).toBe(encoding);
  });

  it("is a dialect of the hub, and asks for its limits", () => {
    const dialect: Dialect<CentrifugeOptions> = centrifuge;
    const hub = new ScriptedHub();
    expect(dialect(hub).limits).toEqual(hub.linkLimits);
  });

  it.each([
    [{ allowedOrigins: ["example.com"] }, /"example.com" has no scheme: write it like https:\/\/example.com/],
    [{ maxBadCommands: 0 }, /maxBadCommands is 0: give a positive integer/],
    [{ maxCommandsPerFrame: Number.NaN }, /maxCommandsPerFrame is NaN/],
    [{ origins: [] } as CentrifugeOptions, /unknown option "origins"/],
  ])("refuses the options %j", (options, message) => {
    expect(() => centrifuge(new ScriptedHub(), options)).toThrow(message);
  });
});
