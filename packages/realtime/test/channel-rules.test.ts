import { PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelRules } from "../src/channel-rules.ts";
import { DEFAULT_HUB_LIMITS } from "../src/hub-settings.ts";
import type { ChannelRule } from "../src/index.ts";
import { NamePattern } from "../src/name-pattern.ts";

const DAY_MS = 86_400_000;

function rules(...given: readonly unknown[]): ChannelRules {
  return new ChannelRules(given as readonly ChannelRule[], DEFAULT_HUB_LIMITS);
}

function messageOf(...given: readonly unknown[]): string {
  try {
    rules(...given);
  } catch (thrown) {
    expect(PolywireError.is(thrown) && thrown.code).toBe("invalid-argument");
    return (thrown as PolywireError).message;
  }
  throw new Error("nothing was thrown");
}

describe("channel rules", () => {
  it("takes the first rule whose pattern fits, completed with defaults", () => {
    const found = rules(
      { match: "chat:vip" },
      { match: "chat:*", history: { size: 100, ttlMs: 60_000 }, recovery: true, presence: true, joinLeave: true },
      { match: "*", kind: "private", publish: "clients", data: "binary", read: "clients" },
    );
    expect(found.find("chat:vip")?.match).toBe("chat:vip");
    expect(found.find("chat:room")).toMatchObject({
      match: "chat:*",
      kind: "public",
      publish: "server",
      data: "json",
      read: "subscribers",
      stream: { size: 100, ttlMs: 60_000, metaTtlMs: 30 * DAY_MS, maxBytes: 16_777_216 },
      isRecoverable: true,
      hasPresence: true,
      tellsJoinLeave: true,
    });
    expect(found.find("anything")).toMatchObject({
      match: "*",
      kind: "private",
      publish: "clients",
      data: "binary",
      read: "clients",
      stream: undefined,
      isRecoverable: false,
      hasPresence: false,
      tellsJoinLeave: false,
    });
    expect(found.find("chat:a")).toBe(found.find("chat:b"));
  });

  it("knows no channel that no rule covers, and none of the system's", () => {
    expect(rules({ match: "chat:*" }).find("news")).toBe(undefined);
    expect(rules({ match: "*" }).find("$system:health")).toBe(undefined);
    expect(rules().find("news")).toBe(undefined);
  });

  it("knows the system's channels where a rule of their kind covers them, before or after one for all", () => {
    for (const given of [
      [{ match: "*" }, { match: "$system:*", kind: "system" }],
      [{ match: "$system:*", kind: "system" }, { match: "*" }],
    ]) {
      const found = rules(...given);
      expect([found.find("$system:health")?.kind, found.find("$system:cpu"), found.find("a")?.kind]).toEqual([
        "system",
        undefined,
        "public",
      ]);
    }
    expect(rules({ match: "$system:log", kind: "system" }).find("$system:health")).toBe(undefined);
  });

  it("lets channels that drop nothing have recovery and positioning", () => {
    const history = { size: 1, ttlMs: 1 };
    const all = { match: "*", history, recovery: true, positioning: true, overflow: "disconnect" };
    expect(rules(all).find("a")).toMatchObject({ overflow: "disconnect", isPositioned: true, isRecoverable: true });
    expect(rules({ match: "*", history, overflow: "drop-oldest" }).find("a")).toMatchObject({
      overflow: "drop-oldest",
    });
  });

  it("lists the broadcast channels", () => {
    expect(rules({ match: "alerts", kind: "broadcast" }, { match: "*" }).broadcastNames).toEqual(["alerts"]);
    expect(rules({ match: "*" }).broadcastNames).toEqual([]);
  });

  it("lists the users that a name names", () => {
    const { usersOf } = rules({ match: "*" }).find("dialog") ?? {};
    expect(usersOf?.("dialog#42,43")).toEqual(["42", "43"]);
    expect(usersOf?.("#42")).toEqual(["42"]);
    expect(usersOf?.("a#1#2")).toEqual(["2"]);
    expect(usersOf?.("dialog")).toEqual([]);
    expect(usersOf?.("dialog#")).toEqual([]);
    expect(usersOf?.("dialog#,42,")).toEqual(["42"]);
  });

  it("keeps what it was given as it was", () => {
    const given = Object.freeze([Object.freeze({ match: "*", history: Object.freeze({ size: 1, ttlMs: 1 }) })]);
    expect(rules(...given).find("a")?.stream?.size).toBe(1);
  });

  it.each<[string, readonly unknown[], string]>([
    ["no object", [1], "channels[0] is 1: give an object"],
    ["no match", [{}], "channels[0].match is undefined: give a channel's name, or a pattern with *"],
    ["an empty match", [{ match: "" }], 'channels[0].match is "": give'],
    ["a match that is too long", [{ match: "x".repeat(256) }], "a name has 255 bytes at most"],
    ["a name of the system's", [{ match: "$system:*" }], "names that begin with $ are the system's"],
    [
      "a system kind for another name",
      [{ match: "health", kind: "system" }],
      "give the name of a system channel, such as $system:health, or $system:* for all",
    ],
    [
      "a system channel that there is not",
      [{ match: "$system:cpu", kind: "system" }],
      "give the name of a system channel",
    ],
    [
      "a system channel with a history",
      [{ match: "$system:*", kind: "system", history: { size: 1, ttlMs: 1 } }],
      "channels[0].history is an object: a system channel has figures of now and nothing else",
    ],
    [
      "an unknown key",
      [{ match: "*" }, { match: "a", histroy: {} }],
      'unknown option "channels[1].histroy": did you mean "history"?',
    ],
    ["a key like no other", [{ match: "*", zzz: 1 }], 'unknown option "channels[0].zzz": known are match, kind'],
    ["an unknown kind", [{ match: "*", kind: "pubic" }], 'channels[0].kind is "pubic": did you mean "public"?'],
    [
      "a kind that no rule gives",
      [{ match: "*", kind: "secret" }],
      'channels[0].kind is "secret": give "public", "private", "broadcast"',
    ],
    ["an unknown publisher", [{ match: "*", publish: true }], 'channels[0].publish is true: give "server"'],
    ["unknown data", [{ match: "*", data: "text" }], 'channels[0].data is "text"'],
    ["an unknown reader", [{ match: "*", read: "all" }], 'channels[0].read is "all"'],
    ["no boolean", [{ match: "*", presence: "yes" }], 'channels[0].presence is "yes": give true or false'],
    ["no history object", [{ match: "*", history: 100 }], "channels[0].history is 100: give an object"],
    [
      "an unknown history key",
      [{ match: "*", history: { size: 1, ttl: 1 } }],
      'unknown option "channels[0].history.ttl"',
    ],
    [
      "no history size",
      [{ match: "*", history: { ttlMs: 1 } }],
      "channels[0].history.size is undefined: give a positive integer",
    ],
    ["a history size of 0", [{ match: "*", history: { size: 0, ttlMs: 1 } }], "channels[0].history.size is 0"],
    ["a history of NaN", [{ match: "*", history: { size: 1, ttlMs: Number.NaN } }], "channels[0].history.ttlMs is NaN"],
    [
      "a history for ever",
      [{ match: "*", history: { size: 1, ttlMs: Number.POSITIVE_INFINITY } }],
      "ttlMs is Infinity",
    ],
    ["half a publication", [{ match: "*", history: { size: 1.5, ttlMs: 1 } }], "channels[0].history.size is 1.5"],
    [
      "a history past its meta ttl",
      [{ match: "*", history: { size: 1, ttlMs: 2, metaTtlMs: 1 } }],
      "channels[0].history.ttlMs is 2: publications are kept no longer than metaTtlMs (1)",
    ],
    ["a history past the default meta ttl", [{ match: "*", history: { size: 1, ttlMs: 31 * DAY_MS } }], "(30 days"],
    [
      "recovery without history",
      [{ match: "*", recovery: true }],
      "channels[0].recovery is true: there is nothing to recover without history",
    ],
    [
      "an unknown overflow policy",
      [{ match: "*", overflow: "drop" }],
      'channels[0].overflow is "drop": give "disconnect", "drop-oldest", "drop-newest", "keep-latest"',
    ],
    [
      "dropping with recovery",
      [{ match: "*", history: { size: 1, ttlMs: 1 }, recovery: true, overflow: "drop-oldest" }],
      'channels[0].overflow is "drop-oldest": a client of a channel with recovery relies on missing nothing',
    ],
    [
      "dropping with a recovery of the latest",
      [{ match: "*", history: { size: 1, ttlMs: 1 }, recovery: "cache", overflow: "keep-latest" }],
      'channels[0].overflow is "keep-latest": a client of a channel with recovery',
    ],
    [
      "dropping with positioning",
      [{ match: "*", positioning: true, overflow: "drop-newest" }],
      'channels[0].overflow is "drop-newest": a client of a channel with positioning relies on missing nothing',
    ],
    [
      "a key without the policy that it is for",
      [{ match: "*", overflow: "drop-oldest", overflowKey: "symbol" }],
      'channels[0].overflowKey is "symbol": it goes with overflow: "keep-latest" alone',
    ],
    ["an empty key", [{ match: "*", overflow: "keep-latest", overflowKey: "" }], 'channels[0].overflowKey is ""'],
    ["no subscribers at all", [{ match: "*", maxSubscribers: 0 }], "channels[0].maxSubscribers is 0"],
    [
      "a broadcast pattern",
      [{ match: "a*", kind: "broadcast" }],
      'channels[0].match is "a*": everyone is subscribed to a broadcast channel',
    ],
    [
      "a broadcast that clients publish to",
      [{ match: "a", kind: "broadcast", publish: "clients" }],
      "only the server publishes",
    ],
    [
      "the same match twice",
      [{ match: "a*" }, { match: "b*" }, { match: "a*" }],
      'channels[2].match is "a*": never reached, for channels[0] ("a*") has the same match',
    ],
    [
      "a rule after one for everything",
      [{ match: "*" }, { match: "chat:*" }],
      'channels[1].match is "chat:*": never reached, for channels[0] ("*") takes all its names',
    ],
    ["a name after a pattern for it", [{ match: "c*t" }, { match: "chat" }], "never reached"],
    ["a pattern after a wider one", [{ match: "a*b*" }, { match: "a*bc" }], "never reached"],
  ])("refuses %s", (_name, given, message) => {
    expect(messageOf(...given)).toContain(message);
  });

  it("refuses what is no list", () => {
    expect(() => new ChannelRules({ match: "*" } as unknown as readonly ChannelRule[], DEFAULT_HUB_LIMITS)).toThrow(
      "channels is an object: give an array of rules",
    );
  });

  it("takes recovery: false without history, and a pattern after a narrower one", () => {
    expect(rules({ match: "a*c" }, { match: "a*" }, { match: "*", recovery: false }).find("ab")?.match).toBe("a*");
  });
});

/** Patterns and names over few letters, so that they often fit. */
const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 8 });
const name = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });

function slowMatch(text: string, subject: string): boolean {
  return new RegExp(`^${text.replaceAll("*", "[^]*")}$`).test(subject);
}

describe("channel pattern", () => {
  it("fits what the same regular expression fits", () => {
    fc.assert(
      fc.property(pattern, name, (text, subject) => {
        expect(new NamePattern(text).matches(subject)).toBe(slowMatch(text, subject));
      }),
      { numRuns: 20_000 },
    );
  });

  it("includes another exactly when it fits every name that the other fits", () => {
    const names = [""];
    for (let index = 0; names.length < 400; index++) for (const letter of "abc") names.push(`${names[index]}${letter}`);
    fc.assert(
      fc.property(pattern, pattern, (wide, narrow) => {
        const isIncluded = new NamePattern(wide).includes(new NamePattern(narrow));
        const witnesses = [...names, narrow.replaceAll("*", "c"), narrow.replaceAll("*", "")];
        const isEverywhere = witnesses.every((subject) => !slowMatch(narrow, subject) || slowMatch(wide, subject));
        expect(isIncluded).toBe(isEverywhere);
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes no longer for a hostile name", () => {
    const hostile = new NamePattern(`${"*a".repeat(60)}*b`);
    const subject = "a".repeat(255);
    const startMs = performance.now();
    for (let count = 0; count < 1_000; count++) expect(hostile.matches(subject)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
});
