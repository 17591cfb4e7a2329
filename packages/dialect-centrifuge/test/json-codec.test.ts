import { type Payload, PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { MAX_JSON_DEPTH } from "../src/json-scanner.ts";
import type { Command } from "../src/message.ts";
import { bytes } from "./protobuf-vectors.ts";
import { SUBSCRIBE_DEFAULTS } from "./subscribe-defaults.ts";

const codec = new JsonCodec();

function readAll(frame: Payload): Command[] {
  const reader = codec.read(frame);
  const commands: Command[] = [];
  for (let command = reader.next(); command !== undefined; command = reader.next()) commands.push(command);
  return commands;
}

function refusal(frame: Payload): string {
  try {
    return JSON.stringify(readAll(frame));
  } catch (error) {
    if (PolywireError.is(error)) return error.code;
    throw error;
  }
}

function publishOf(frame: string): unknown {
  const [command] = readAll(frame);
  return command?.kind === "publish" ? Buffer.from(command.request.data ?? []).toString() : command;
}

describe("reading JSON commands", () => {
  it("reads connect and subscribe from one frame, in order", () => {
    const commands = readAll('{"connect":{"name":"js"},"id":1}\n{"subscribe":{"channel":"news","flag":1},"id":2}');
    expect(commands).toMatchObject([
      { kind: "connect", id: 1, request: { name: "js", token: "", data: undefined } },
      { kind: "subscribe", id: 2, request: { channel: "news", flag: 1, recover: false, filter: undefined } },
    ]);
  });

  it("reads every command of the protocol", () => {
    const frame = [
      '{"connect":{"token":"t","data":{"a":1},"version":"5","headers":{"h":"v"},"subs":{"#42":{"recover":true,"offset":5,"epoch":"abcd"}}},"id":1}',
      '{"id":3,"publish":{"channel":"news","data":{"x":1}}}',
      '{"history":{"channel":"news","limit":-1,"since":{"offset":1,"epoch":"e"},"reverse":true},"id":4}',
      '{"history":{"channel":"news"},"id":5}',
      '{"rpc":{"method":"m","data":[]},"id":7}',
      '{"presence":{"channel":"room"},"id":9}',
      '{"presence_stats":{"channel":"room"},"id":10}',
      '{"subscribe":{"channel":"d","recover":true,"epoch":"E","offset":2,"flag":3,"delta":"fossil","tf":{"cmp":"eq"},"data":null,"positioned":true,"recoverable":true,"join_leave":true,"token":"s","type":1},"id":12}',
      '{"unsubscribe":{"channel":"d"},"id":13}',
      '{"send":{"data":"hello"}}',
      '{"refresh":{"token":"n"},"id":14}',
      '{"sub_refresh":{"channel":"d","token":"n"},"id":4294967295}',
      '{"ping":{},"id":16}',
      "{}",
    ].join("\n");
    expect(readAll(frame)).toEqual([
      {
        kind: "connect",
        id: 1,
        request: {
          token: "t",
          data: bytes('{"a":1}'),
          name: "",
          version: "5",
          headers: new Map([["h", "v"]]),
          subs: new Map([["#42", { ...SUBSCRIBE_DEFAULTS, recover: true, offset: 5, epoch: "abcd" }]]),
        },
      },
      { kind: "publish", id: 3, request: { channel: "news", data: bytes('{"x":1}'), type: 0 } },
      {
        kind: "history",
        id: 4,
        request: { channel: "news", limit: -1, since: { offset: 1, epoch: "e" }, reverse: true },
      },
      { kind: "history", id: 5, request: { channel: "news", limit: 0, since: undefined, reverse: false } },
      { kind: "rpc", id: 7, method: "m", data: bytes("[]") },
      { kind: "presence", id: 9, channel: "room" },
      { kind: "presence_stats", id: 10, channel: "room" },
      {
        kind: "subscribe",
        id: 12,
        request: {
          channel: "d",
          token: "s",
          recover: true,
          epoch: "E",
          offset: 2,
          data: bytes("null"),
          positioned: true,
          recoverable: true,
          joinLeave: true,
          delta: "fossil",
          filter: { op: "", key: "", cmp: "eq", val: "", vals: [], nodes: [] },
          flag: 3,
          type: 1,
        },
      },
      { kind: "unsubscribe", id: 13, channel: "d" },
      { kind: "send", data: bytes('"hello"') },
      { kind: "refresh", id: 14, request: { channel: "", token: "n", type: 0 } },
      { kind: "sub_refresh", id: 4_294_967_295, request: { channel: "d", token: "n", type: 0 } },
      { kind: "ping", id: 16 },
      { kind: "pong" },
    ]);
  });

  it.each([
    '{"a":1}',
    "12345678901234567890",
    '{"__proto__":{"x":1},"b":1,"b":2}',
    '{ "spaced" : [ 1 , 2.5e+3 , -0 ] }',
    '"\\u0041\\"\\\\"',
    "null",
    "false",
    "[]",
  ])("keeps the payload %s as it arrived", (payload) => {
    expect(publishOf(`{"publish":{"data":${payload},"channel":"c"},"id":1}`)).toBe(payload);
  });

  it("passes a payload 1,000 levels deep, and refuses one beyond the limit", () => {
    const nested = (depth: number): string => `${'{"a":['.repeat(depth / 2)}1${"]}".repeat(depth / 2)}`;
    expect(publishOf(`{"publish":{"data":${nested(1_000)}},"id":1}`)).toBe(nested(1_000));
    expect(publishOf(`{"publish":{"data":${nested(MAX_JSON_DEPTH)}},"id":1}`)).toBe(nested(MAX_JSON_DEPTH));
    expect(refusal(`{"publish":{"data":${nested(MAX_JSON_DEPTH + 2)}},"id":1}`)).toBe("protocol-violation");
    const arrays = (depth: number): string => `{"publish":{"data":${"[".repeat(depth)}${"]".repeat(depth)}},"id":1}`;
    expect(refusal(arrays(MAX_JSON_DEPTH))).not.toBe("protocol-violation");
    expect(refusal(arrays(MAX_JSON_DEPTH + 2))).toBe("protocol-violation");
    expect(refusal(arrays(500_000))).toBe("protocol-violation");
  });

  it("unescapes names, and replaces lone surrogates", () => {
    expect(readAll('{"presence":{"channel":"\\u0416\\n\\/\\ud800"},"id":1}')).toEqual([
      { kind: "presence", id: 1, channel: "Ж\n/\ufffd" },
    ]);
  });

  it("keeps hostile keys in maps", () => {
    const [command] = readAll('{"connect":{"headers":{"__proto__":"x","constructor":"y"}},"id":1}');
    expect(command?.kind === "connect" && [...command.request.headers]).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(readAll('{"__proto__":{"id":5},"constructor":1,"hasOwnProperty":[]}')).toEqual([{ kind: "pong" }]);
  });

  it("skips unknown fields and takes null for absent", () => {
    expect(
      readAll('{"new":{"deep":[{}]},"id":1,"connect":null,"presence":{"channel":"c","token":null,"also":1}}'),
    ).toEqual([{ kind: "presence", id: 1, channel: "c" }]);
  });

  it("allows blanks around commands, and one newline at the end", () => {
    expect(readAll(' {"id" :\t1 , "unsubscribe" : { "channel" : "c" } } \r\n{}\n')).toEqual([
      { kind: "unsubscribe", id: 1, channel: "c" },
      { kind: "pong" },
    ]);
  });

  it("takes a command without a request as unknown, and a request without an id too", () => {
    expect(readAll('{"id":99}\n{"id":1,"nonsense":{}}\n{"publish":{"channel":"c","data":1}}')).toEqual([
      { kind: "unknown", id: 99 },
      { kind: "unknown", id: 1 },
      { kind: "unknown", id: 0 },
    ]);
  });

  it("takes the first of several requests, in the order of the protocol", () => {
    expect(
      readAll('{"presence":{"channel":"q"},"publish":{"channel":"p","data":1},"history":{"channel":"h"},"id":1}'),
    ).toEqual([{ kind: "publish", id: 1, request: { channel: "p", data: bytes("1"), type: 0 } }]);
  });

  it.each([
    "",
    " ",
    "\n",
    "\n{}",
    "{}\n\n{}",
    "{}{}",
    "{} x",
    "[]",
    "null",
    '"text"',
    "garbage",
    '{"id":1',
    '{"id":1,}',
    "{,}",
    '{"id"}',
    '{"id":}',
    "{id:1}",
    "{'id':1}",
    '{"id":01}',
    '{"id":+1}',
    '{"id":1.5}',
    '{"id":1e2}',
    '{"id":-1}',
    '{"id":4294967296}',
    '{"id":"1"}',
    '{"id":1,"publish":[]}',
    '{"id":1,"publish":"x"}',
    '{"id":1,"publish":{"channel":1}}',
    '{"id":1,"publish":{"data":}}',
    '{"id":1,"publish":{"data":tru}}',
    '{"id":1,"publish":{"data":nul}}',
    '{"id":1,"publish":{"data":[1,]}}',
    '{"id":1,"publish":{"data":[1}}}',
    '{"id":1,"publish":{"data":{"a":1]}}',
    '{"id":1,"publish":{"data":1.}}',
    '{"id":1,"publish":{"data":1e}}',
    '{"id":1,"publish":{"data":-}}',
    '{"id":1,"publish":{"data":.5}}',
    '{"id":1,"publish":{"data":NaN}}',
    '{"id":1,"publish":{"data":"\\x"}}',
    '{"id":1,"publish":{"data":"\\u12g4"}}',
    '{"id":1,"publish":{"data":"\t"}}',
    '{"id":1,"publish":{"data":"\n"}}',
    '{"id":1,"publish":{"data":\n1}}',
    '{"id":1,"publish":{"data":"open}}',
    '{"id":1,"publish":{"data":"\\',
    '{"id":1,"subscribe":{"recover":1}}',
    '{"id":1,"subscribe":{"offset":-1}}',
    '{"id":1,"connect":{"headers":{"h":1}}}',
    "\ufeff{}",
    "{}\u00a0",
  ])("refuses %j", (frame) => {
    expect(refusal(frame)).toBe("protocol-violation");
    expect(refusal(bytes(frame))).toBe("protocol-violation");
  });

  it("refuses bytes that are no UTF-8, and Protobuf", () => {
    expect(refusal(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe("protocol-violation");
    expect(refusal(new Uint8Array([0x08, 0x08, 0x01, 0x22, 0x04, 0x22, 0x02, 0x6a, 0x73]))).toBe("protocol-violation");
  });

  it("refuses a command cut short at any position", () => {
    const frame =
      '{"connect":{"token":"\\u0041","data":{"a":[1.5e3,true,null,"x"]},"subs":{"a":{"offset":5}}},"id":12}';
    expect(readAll(frame)).toHaveLength(1);
    for (let length = 0; length < frame.length; length++) {
      expect(refusal(frame.slice(0, length)), `cut to ${length}`).toBe("protocol-violation");
    }
  });

  it("takes any JSON value as payload, and only JSON", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (payload) => {
        expect(publishOf(`{"publish":{"data":${payload}},"id":1}`)).toBe(payload);
      }),
    );
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.string({ unit: "binary-ascii", maxLength: 2 }),
        (json, at, noise) => {
          const position = at % (json.length + 1);
          const payload = json.slice(0, position) + noise + json.slice(position + 1);
          const frame = `{"id":1,"publish":{"data":[${payload}]}}`;
          if (!frame.includes("\n")) expect(refusal(frame) !== "protocol-violation").toBe(isJson(frame));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("answers any text with commands or a protocol violation", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(...Array.from('{}[]:,"\\ \n\t01.eE-+truefalsnul'), "id", '"id"', '"publish"', '{"'),
        }),
        (frame) => {
          refusal(frame);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("writing JSON replies", () => {
  it.each([
    [
      codec.connect(1, { client: "6a1e", version: "1.0", ping: 25, pong: true }),
      '{"id":1,"connect":{"client":"6a1e","version":"1.0","ping":25,"pong":true}}',
    ],
    [
      codec.connect(1, {
        client: "c",
        expires: true,
        ttl: 60,
        data: bytes("{}"),
        session: "s",
        node: "n",
        time: 5,
        subs: new Map([["#42", { recoverable: true, positioned: true, epoch: "abcd", offset: 4 }]]),
      }),
      '{"id":1,"connect":{"client":"c","expires":true,"ttl":60,"data":{},"subs":{"#42":{"recoverable":true,"epoch":"abcd","offset":4,"positioned":true}},"session":"s","node":"n","time":5}}',
    ],
    [codec.subscribe(2, {}), '{"id":2,"subscribe":{}}'],
    [
      codec.subscribe(12, {
        recoverable: true,
        positioned: true,
        epoch: "Q",
        offset: 2,
        recovered: true,
        wasRecovering: true,
        publications: [{ data: bytes('{"x":3}'), format: "json", offset: 3 }],
      }),
      '{"id":12,"subscribe":{"recoverable":true,"epoch":"Q","publications":[{"data":{"x":3},"offset":3}],"recovered":true,"offset":2,"positioned":true,"was_recovering":true}}',
    ],
    [codec.done(3, "publish"), '{"id":3,"publish":{}}'],
    [codec.done(3, "unsubscribe"), '{"id":3,"unsubscribe":{}}'],
    [
      codec.error(6, { code: 105, message: "already subscribed", isTemporary: false }),
      '{"id":6,"error":{"code":105,"message":"already subscribed"}}',
    ],
    [
      codec.error(8, { code: 100, message: "internal server error", isTemporary: true }),
      '{"id":8,"error":{"code":100,"message":"internal server error","temporary":true}}',
    ],
    [
      codec.presence(9, [{ user: "42", client: "6a1e", connectionInfo: bytes('{"name":"Ann"}') }]),
      '{"id":9,"presence":{"presence":{"6a1e":{"user":"42","client":"6a1e","conn_info":{"name":"Ann"}}}}}',
    ],
    [codec.presence(9, []), '{"id":9,"presence":{"presence":{}}}'],
    [codec.presenceStats(10, { clients: 0, users: 0 }), '{"id":10,"presence_stats":{"num_clients":0,"num_users":0}}'],
    [
      codec.history(5, { publications: [], position: { epoch: "", offset: 0 } }),
      '{"id":5,"history":{"publications":[],"epoch":"","offset":0}}',
    ],
    [
      codec.history(4, {
        publications: [{ data: bytes('{"x":2}'), format: "json", offset: 2 }],
        position: { epoch: "Q", offset: 2 },
      }),
      '{"id":4,"history":{"publications":[{"data":{"x":2},"offset":2}],"epoch":"Q","offset":2}}',
    ],
    [codec.rpc(7, bytes("")), '{"id":7,"rpc":{}}'],
    [codec.rpc(7, bytes('{"ok":1}')), '{"id":7,"rpc":{"data":{"ok":1}}}'],
    [codec.refresh(5, "refresh", { expires: true, ttl: 3600 }), '{"id":5,"refresh":{"expires":true,"ttl":3600}}'],
    [
      codec.pushPublication(
        "news",
        { data: bytes('{"x":1}'), format: "json", info: { user: "", client: "6a1e" }, offset: 1 },
        { epoch: "Q" },
      ),
      '{"push":{"channel":"news","pub":{"data":{"x":1},"info":{"user":"","client":"6a1e"},"offset":1,"epoch":"Q"}}}',
    ],
    [
      codec.pushPublication("t", { data: bytes('say "hi"\n'), format: "text" }),
      '{"push":{"channel":"t","pub":{"data":"say \\"hi\\"\\n"}}}',
    ],
    [
      codec.pushPublication("b", {
        data: new Uint8Array([0, 255, 10]),
        format: "binary",
        tags: new Map([["k", "v"]]),
        time: 5,
      }),
      '{"push":{"channel":"b","pub":{"data":"AP8K","tags":{"k":"v","encoding":"base64"},"time":5}}}',
    ],
    [
      codec.pushPublication("b", {
        data: new Uint8Array([0]),
        format: "binary",
        tags: new Map([["encoding", "none of yours"]]),
      }),
      '{"push":{"channel":"b","pub":{"data":"AA==","tags":{"encoding":"base64"}}}}',
    ],
    [codec.pushMessage(new Uint8Array([0, 255]), "binary"), '{"push":{"message":{"data":"AP8="}}}'],
    [codec.rpc(7, new Uint8Array([0x7b, 0x0a, 0xff])), '{"id":7,"rpc":{"data":"ewr/"}}'],
    [codec.rpc(7, bytes('{"a":1} {"b":2}')), '{"id":7,"rpc":{"data":"eyJhIjoxfSB7ImIiOjJ9"}}'],
    [
      codec.pushPublication('a"b\n', { data: bytes("[1,\n 2]"), format: "json", tags: new Map([["__proto__", "v"]]) }),
      '{"push":{"channel":"a\\"b\\n","pub":{"data":[1, 2],"tags":{"__proto__":"v"}}}}',
    ],
    [
      codec.pushJoin("room", { user: "7", client: "c7" }),
      '{"push":{"channel":"room","join":{"info":{"user":"7","client":"c7"}}}}',
    ],
    [
      codec.pushLeave("room", { user: "7", client: "c7", channelInfo: bytes("1") }),
      '{"push":{"channel":"room","leave":{"info":{"user":"7","client":"c7","chan_info":1}}}}',
    ],
    [
      codec.pushUnsubscribe("news", 2500, "insufficient state"),
      '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    ],
    [
      codec.pushSubscribe("alerts", {
        recoverable: true,
        positioned: true,
        epoch: "efgh",
        offset: 1,
        data: bytes('{"why":"api"}'),
      }),
      '{"push":{"channel":"alerts","subscribe":{"recoverable":true,"epoch":"efgh","offset":1,"positioned":true,"data":{"why":"api"}}}}',
    ],
    [codec.pushMessage(bytes('{"hello":"all"}'), "json"), '{"push":{"message":{"data":{"hello":"all"}}}}'],
    [codec.pushRefresh({ expires: true, ttl: 60 }), '{"push":{"refresh":{"expires":true,"ttl":60}}}'],
    [codec.pushDisconnect(3001, "shutdown"), '{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}'],
    [codec.ping, "{}"],
  ])("%s", (written, expected) => {
    expect(written).toBe(expected);
    expect(() => JSON.parse(written)).not.toThrow();
  });

  it("puts any payload and any names into valid JSON on one line", () => {
    fc.assert(
      fc.property(fc.json(), fc.string({ unit: "binary" }), fc.string(), (data, channel, user) => {
        const pretty = JSON.stringify(JSON.parse(data), undefined, 1);
        const written = codec.pushPublication(channel, {
          data: bytes(pretty),
          format: "json",
          info: { user, client: channel },
        });
        expect(written).not.toContain("\n");
        expect(JSON.parse(written)).toEqual({
          push: { channel, pub: { data: JSON.parse(data) as unknown, info: { user, client: channel } } },
        });
      }),
    );
  });
});
