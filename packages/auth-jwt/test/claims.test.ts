import { Buffer } from "node:buffer";
import { ManualClock } from "@polywire/core/testing";
import { describe, expect, it } from "vitest";
import { type ConnectionClaims, Refusal, type SubscriptionClaims, Tokens } from "../src/index.ts";
import { type Claims, hs256 } from "./forge.ts";
import { SECRET } from "./keys.ts";

const clock = new ManualClock();
const exp = Math.floor(clock.wallTime() / 1_000) + 60;
const tokens = new Tokens({ key: { hmacSecret: SECRET }, clock });

function connection(claims: Claims): Promise<ConnectionClaims | Refusal> {
  return tokens.checkConnection(hs256({ sub: "42", exp, ...claims }, SECRET));
}

function subscription(claims: Claims): Promise<SubscriptionClaims | Refusal> {
  const token = hs256({ sub: "42", exp, channel: "news", ...claims }, SECRET);
  return tokens.checkSubscription(token, { channel: "news", user: "42" });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("the claims of a connection token", () => {
  it("say everything about the client that the hub wants to know", async () => {
    const claims = await connection({
      iat: exp - 60,
      jti: "1",
      info: { name: "Ann" },
      channels: ["news", "room"],
      subs: {
        room: {
          info: { seat: 1 },
          data: [1],
          override: { presence: { value: false }, force_recovery: { value: true } },
        },
        "#42": {},
        __proto__: {},
      },
      caps: [
        { channels: ["a", "b"], allow: ["sub", "pub"] },
        { channels: ["c:*"], match: "wildcard", allow: ["hst", "prs"] },
      ],
      meta: { tenant: 7 },
    });
    expect(claims).toEqual({
      user: "42",
      expiresAt: exp,
      info: bytes('{"name":"Ann"}'),
      channels: ["news", "room"],
      subscriptions: new Map<string, unknown>([
        [
          "room",
          { channelInfo: bytes('{"seat":1}'), data: bytes("[1]"), features: { presence: false, recovery: true } },
        ],
        ["#42", {}],
      ]),
      capabilities: [
        { channels: ["a", "b"], allow: ["subscribe", "publish"] },
        { channels: ["c:*"], allow: ["history", "presence"] },
      ],
      meta: { tenant: 7 },
    });
  });

  it("keep a channel called __proto__ apart from every other object", async () => {
    const token = hs256(`{"sub":"42","exp":${exp},"subs":{"__proto__":{"data":1}}}`, SECRET);
    const claims = (await tokens.checkConnection(token)) as ConnectionClaims;
    expect([...(claims.subscriptions ?? [])]).toEqual([["__proto__", { data: bytes("1") }]]);
    expect(({} as { data?: unknown }).data).toBeUndefined();
  });

  it("may hold what others are shown in base64", async () => {
    expect(await connection({ b64info: base64('{"name":"Ann"}') })).toMatchObject({ info: bytes('{"name":"Ann"}') });
    expect(await connection({ info: 1, b64info: base64("2") })).toMatchObject({ info: bytes("2") });
  });

  it.each<[Claims, string]>([
    [{ info: "x".repeat(2_047) }, "info is larger than 2048 bytes"],
    [{ b64info: "a b" }, "b64info is no base64"],
    [{ b64info: base64("no json") }, "b64info is no JSON"],
    [{ b64info: 1 }, "b64info is no text"],
    [{ info: JSON.parse(`${"[".repeat(65)}${"]".repeat(65)}`) }, "info is no JSON of 64 levels"],
    [{ channels: "news" }, "channels is no list"],
    [{ channels: [""] }, "channels[] is no text, or empty"],
    [{ channels: [1] }, "channels[] is no text"],
    [{ subs: ["news"] }, "subs is no object"],
    [{ subs: { news: null } }, "subs is no object"],
    [{ subs: { news: { override: { presence: true } } } }, "subs.override is no object"],
    [
      { subs: { news: { override: { presence: { value: 1 } } } } },
      "subs.override has no { value: true or false } for presence",
    ],
    [
      { subs: { news: { override: { constructor: { value: true } } } } },
      "subs.override has something that is none of presence",
    ],
    [{ caps: {} }, "caps is no list"],
    [{ caps: ["news"] }, "caps has an entry that is no object"],
    [{ caps: [{ channels: ["news"] }] }, "caps lacks channels or allow"],
    [{ caps: [{ channels: "news", allow: [] }] }, "caps lacks channels or allow"],
    [{ caps: [{ channels: [""], allow: [] }] }, "caps has a channel that is no text"],
    [{ caps: [{ channels: ["news*"], allow: ["sub"] }] }, 'caps has a * without match: "wildcard"'],
    [{ caps: [{ channels: ["^news$"], match: "regex", allow: ["sub"] }] }, 'caps has a match that is not "wildcard"'],
    [{ caps: [{ channels: ["news"], allow: ["all"] }] }, "caps allows something else than sub, pub, hst, prs"],
  ])("that are wrong refuse the token: %j", async (claims, message) => {
    const refusal = await connection(claims);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ problem: "bad-claims", message: expect.stringContaining(message) });
  });
});

describe("the claims of a subscription token", () => {
  it("say everything about the subscription that the hub wants to know", async () => {
    const claims = {
      info: 1,
      b64data: base64("bytes"),
      expire_at: exp + 5,
      override: { join_leave: { value: false } },
    };
    expect(await subscription(claims)).toEqual({
      user: "42",
      channel: "news",
      expiresAt: exp + 5,
      info: bytes("1"),
      data: bytes("bytes"),
      features: { joinLeave: false },
    });
    expect(
      await subscription({ override: { force_push_join_leave: { value: false }, force_positioning: { value: true } } }),
    ).toMatchObject({ features: { hearsJoinLeave: false, positioning: true } });
  });

  it.each<[Claims, string]>([
    [{ channel: 1 }, "channel is no text"],
    [{ channel: "" }, "channel is no text, or empty"],
    [{ client: 1 }, "client is no text"],
    [{ override: [] }, "override is no object"],
    [{ b64data: "?" }, "b64data is no base64"],
  ])("that are wrong refuse the token: %j", async (claims, message) => {
    expect(await subscription(claims)).toMatchObject({
      problem: "bad-claims",
      message: expect.stringContaining(message),
    });
  });
});
