import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Authenticated,
  type Authorized,
  type Denied,
  DISCONNECTS,
  ERRORS,
  type HubOptions,
} from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const MINUTE_MS = 60_000;
const GRACE_MS = 25_000;
/** How late a deadline may be noticed. */
const TICK_MS = 1_000;

/** A hub for which a token is the seconds that its client gets. */
function timed(options: HubOptions = {}): TestHub {
  return new TestHub({
    channels: [{ match: "private*", kind: "private" }, { match: "*" }],
    pings: { intervalMs: 0 },
    authenticate: ({ token }) => ({ user: "42", ...time(token) }),
    authorize: ({ token }) => ({ allowed: true, ...time(token) }),
    ...options,
  });
}

function time(token: string | undefined): { readonly ttlMs?: number } {
  return token === undefined || token === "forever" ? {} : { ttlMs: Number(token) * 1_000 };
}

const TOO_LONG = { ttlMs: Number.MAX_SAFE_INTEGER };
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS;

describe("a connection whose time is limited", () => {
  it("is told its time, and ends with 3005 when that and 25 s have passed, not before", async () => {
    await using test = timed();
    const client = test.newClient().connect({ token: "60" });
    expect(client.answerTo("connect").result).toMatchObject({ ttlMs: MINUTE_MS });
    client.take();
    await test.advance(MINUTE_MS + GRACE_MS - 1);
    expect(client.disconnectCode).toBeUndefined();
    await test.advance(TICK_MS);
    expect(client.disconnectCode).toBe(3005);
    expect(test.hub.stats().sessionsExpired).toBe(1);
  });

  it("goes on when it refreshes in time, and within the grace as well", async () => {
    await using test = timed();
    const client = await test.client();
    const other = test.newClient().connect({ token: "60" });
    await test.advance(MINUTE_MS + GRACE_MS - TICK_MS);
    other.refresh("120");
    expect(other.answerTo("refresh")).toMatchObject({ error: undefined, result: { ttlMs: 2 * MINUTE_MS } });
    await test.advance(2 * MINUTE_MS + GRACE_MS - 1);
    expect(other.disconnectCode).toBeUndefined();
    other.refresh("forever");
    expect(other.answerTo("refresh")).toMatchObject({ error: undefined, result: {} });
    await test.advance(60 * MINUTE_MS);
    expect([client.disconnectCode, other.disconnectCode]).toEqual([undefined, undefined]);
    expect(test.hub.stats().refreshes).toBe(2);
  });

  it("gets a year at most", async () => {
    await using test = timed({ authenticate: () => ({ user: "42", ...TOO_LONG }), authorize: () => yes(TOO_LONG) });
    const client = test.newClient().connect().subscribe("private");
    await test.settle();
    expect(client.answerTo("connect").result).toMatchObject({ ttlMs: YEAR_MS });
    expect(client.answerTo("subscribe private").result).toMatchObject({ ttlMs: YEAR_MS });
  });

  it("is refused with 110 when its time is over already", async () => {
    await using test = timed();
    const client = test.newClient().connect({ token: "0" });
    expect(client.take()).toMatchObject([{ kind: "answer", to: "connect", error: 110 }]);
    const other = test.newClient().connect({ token: "60" }).refresh("-1");
    expect(other.answerTo("refresh").error).toBe(110);
  });

  it.each<[string, Authenticated | Denied, number]>([
    ["of another user", { user: "43", ttlMs: MINUTE_MS }, 3500],
    ["that is wrong", { disconnect: DISCONNECTS.invalidToken }, 3500],
    ["that has expired", { error: ERRORS.tokenExpired }, 3005],
    ["with other channels", { user: "42", ttlMs: MINUTE_MS, channels: ["news", "other"] }, 3010],
  ])("ends when it refreshes with a token %s", async (_, second, code) => {
    const first = { user: "42", ttlMs: MINUTE_MS, channels: ["news"] };
    await using test = timed({ authenticate: ({ action }) => (action === "connect" ? first : second) });
    const client = await test.client();
    client.refresh("t");
    await test.settle();
    expect(client.take()).toEqual([{ kind: "disconnect", code, discard: false }]);
  });

  it("stays when the same channels come in another form and order", async () => {
    const first = { user: "42", ttlMs: MINUTE_MS, channels: ["a", "b"] };
    const second = { user: "42", ttlMs: MINUTE_MS, channels: ["b"], subscriptions: new Map([["a", {}]]) };
    await using test = timed({ authenticate: ({ action }) => (action === "connect" ? first : second) });
    const client = await test.client();
    client.refresh("t");
    expect(client.answerTo("refresh").result).toEqual({ ttlMs: MINUTE_MS });
  });

  it("is told of an error that the program answers a refresh with, and has its time still", async () => {
    await using test = timed({
      authenticate: ({ action }) =>
        action === "connect" ? { user: "42", ttlMs: MINUTE_MS } : { error: ERRORS.internal },
    });
    const client = await test.client();
    client.refresh("t");
    expect(client.answerTo("refresh").error).toBe(100);
    await test.advance(MINUTE_MS + GRACE_MS + TICK_MS);
    expect(client.disconnectCode).toBe(3005);
  });

  it("waits for a refresh under way at its end, takes no second one meanwhile, and ends if that fails", async () => {
    const { promise, resolve } = Promise.withResolvers<Denied>();
    await using test = timed({
      authenticate: ({ action }) => (action === "connect" ? { user: "42", ttlMs: MINUTE_MS } : promise),
    });
    const client = await test.client();
    await test.advance(MINUTE_MS + GRACE_MS - TICK_MS);
    client.refresh("slow").refresh("second");
    expect(client.answerTo("refresh").error).toBe(111);
    await test.advance(3 * TICK_MS);
    expect(client.disconnectCode).toBeUndefined();
    resolve({ error: ERRORS.internal });
    await test.settle();
    expect(client.disconnectCode).toBe(3005);
  });

  it("has a refresh that lies ready to be read taken before its end", async () => {
    await using test = timed();
    const client = test.newClient().connect({ token: "60" });
    await test.settle();
    test.clock.onTurnEnd = () => {
      test.clock.onTurnEnd = undefined;
      client.refresh("60");
    };
    await test.clock.standStill(MINUTE_MS + GRACE_MS + TICK_MS);
    expect(client.answerTo("refresh").error).toBeUndefined();
    expect(client.disconnectCode).toBeUndefined();
  });

  it("breaks the protocol by refreshing what is not limited, or with nothing", async () => {
    await using test = timed();
    const client = await test.client();
    client.refresh("60");
    expect(client.disconnectCode).toBe(3501);
    const other = test.newClient().connect({ token: "60" }).refresh("");
    expect(other.disconnectCode).toBe(3501);
  });

  it("is asked for with the origin that it connected from", async () => {
    const asked: unknown[] = [];
    await using test = timed({
      authenticate: ({ action, origin, token }) => {
        asked.push([action, origin, token]);
        return { user: "42", ttlMs: MINUTE_MS };
      },
    });
    test.newClient().connect({ token: "a" }).refresh("b");
    const origin = { transport: "test", encoding: "json" };
    expect(asked).toEqual([
      ["connect", origin, "a"],
      ["refresh", origin, "b"],
    ]);
  });
});

function yes(terms: Omit<Authorized, "allowed">): Authorized {
  return { allowed: true, ...terms };
}

describe("a subscription whose time is limited", () => {
  it("is told its time, and ends alone with 2501 when that and 25 s have passed", async () => {
    await using test = timed();
    const client = await test.client();
    client.subscribe("private", { token: "10" }).subscribe("news");
    await test.settle();
    expect(client.answerTo("subscribe private").result).toMatchObject({ ttlMs: 10_000 });
    client.take();
    await test.advance(10_000 + GRACE_MS - 1);
    expect(client.take()).toEqual([]);
    await test.advance(TICK_MS);
    expect(client.take()).toEqual([{ kind: "unsubscribed", channel: "private", code: 2501 }]);
    await test.publish("news", 1);
    expect(client.published).toEqual(["1"]);
    expect(test.hub.stats().subscriptionsExpired).toBe(1);
  });

  it("goes on when the client refreshes it", async () => {
    await using test = timed();
    const client = await test.client();
    client.subscribe("private", { token: "10" });
    await test.settle();
    client.refreshSubscription("private", "50");
    expect(client.answerTo("refresh private").result).toEqual({ ttlMs: 50_000 });
    await test.advance(10_000 + GRACE_MS + TICK_MS);
    client.refreshSubscription("private", "forever");
    await test.advance(2 * MINUTE_MS);
    expect(client.transcript.filter(({ kind }) => kind === "unsubscribed")).toEqual([]);
  });

  it.each<[string, Authorized | Denied, { error: number | undefined } | { code: number }]>([
    ["an expired token", { error: ERRORS.tokenExpired }, { error: 110 }],
    ["a token whose time is over", yes({ ttlMs: 0 }), { error: 110 }],
    ["a token that is not for it", { disconnect: DISCONNECTS.invalidToken }, { code: 3500 }],
    ["a no", { error: ERRORS.permissionDenied }, { error: 103 }],
  ])("answers a refresh with %s as the protocol has it", async (_, second, told) => {
    await using test = timed({ authorize: ({ action }) => (action === "subscribe" ? yes({ ttlMs: 10_000 }) : second) });
    const client = await test.subscriber("private");
    client.refreshSubscription("private", "t");
    await test.settle();
    expect(client.take()).toMatchObject([told]);
  });

  it("refuses a refresh of what is not there, not limited, the server's own, or without a token", async () => {
    await using test = timed({ authenticate: () => ({ user: "42", channels: ["mine"] }) });
    const answers = async (channel: string, token: string): Promise<unknown> => {
      const client = await test.client();
      client.subscribe("private", { token: "10" }).subscribe("news");
      await test.settle();
      client.take();
      client.refreshSubscription(channel, token);
      const [told] = client.take();
      return told?.kind === "answer" ? told.error : client.session.isClosed && told?.kind === "disconnect" && told.code;
    };
    expect(await answers("other", "10")).toBe(103);
    expect(await answers("news", "10")).toBe(3501);
    expect(await answers("mine", "10")).toBe(3501);
    expect(await answers("private", "")).toBe(107);
  });

  it("is refused with 110 when its time is over already", async () => {
    await using test = timed();
    const client = await test.client();
    client.subscribe("private", { token: "0" });
    expect(client.answerTo("subscribe private").error).toBe(110);
    client.subscribe("private", { token: "5" });
    await test.settle();
    expect(client.answerTo("subscribe private").error).toBeUndefined();
  });

  it("ends the session with 3006 when the server made it", async () => {
    await using test = timed({
      authenticate: () => ({ user: "42", subscriptions: new Map([["mine", { ttlMs: 10_000 }]]) }),
    });
    const client = test.newClient().connect();
    await test.settle();
    const { result } = client.answerTo("connect");
    expect((result as { subscriptions: Map<string, object> }).subscriptions.get("mine")).not.toHaveProperty("ttlMs");
    client.take();
    await test.advance(10_000 + GRACE_MS + TICK_MS);
    expect(client.disconnectCode).toBe(3006);
  });

  it("leaves no timer behind when its client goes", async () => {
    await using test = timed();
    const client = test.newClient().connect({ token: "60" }).subscribe("private", { token: "10" });
    await test.settle();
    client.session.closed();
    expect(test.clock.pending).toBe(0);
    await test.advance(5 * MINUTE_MS);
    expect(client.disconnectCode).toBeUndefined();
  });
});

describe("whatever a client and its time do", () => {
  const SECOND_MS = 1_000;
  /** Time passes, the client refreshes for so many seconds, or its refresh fails. */
  const step = fc.oneof(
    fc.record({ kind: fc.constant("wait" as const), seconds: fc.integer({ min: 0, max: 120 }) }),
    fc.record({ kind: fc.constant("refresh" as const), seconds: fc.integer({ min: 1, max: 120 }) }),
    fc.record({ kind: fc.constant("fail" as const), seconds: fc.constant(0) }),
  );

  it("is connected as long as its last time and the grace, to the second", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 120 }), fc.array(step, { maxLength: 12 }), async (first, steps) => {
        await using test = timed({
          authenticate: ({ token }) => (token === "fail" ? { error: ERRORS.internal } : { user: "42", ...time(token) }),
        });
        const client = test.newClient().connect({ token: String(first) });
        let endMs = first * SECOND_MS + GRACE_MS;
        for (const { kind, seconds } of steps) {
          if (client.session.isClosed) break;
          if (kind === "wait") await test.advance(seconds * SECOND_MS);
          else client.refresh(kind === "fail" ? kind : String(seconds));
          if (kind === "refresh" && !client.session.isClosed) endMs = test.clock.now() + seconds * SECOND_MS + GRACE_MS;
          const nowMs = test.clock.now();
          if (nowMs < endMs) expect(client.disconnectCode).toBeUndefined();
          if (nowMs > endMs + TICK_MS) expect(client.disconnectCode).toBe(3005);
        }
        await test.advance(Math.max(0, endMs - test.clock.now()) + TICK_MS);
        expect(client.disconnectCode).toBe(3005);
      }),
      { numRuns: 300 },
    );
  });
});
