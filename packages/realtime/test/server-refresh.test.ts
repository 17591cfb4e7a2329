import { describe, expect, it } from "vitest";
import type { Authenticated, AuthenticateRequest, Authorized, AuthorizeRequest, Denied } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const MINUTE_MS = 60_000;
/** How late a deadline may be noticed. */
const TICK_MS = 1_000;
const encoder = new TextEncoder();

describe("a connection that the server refreshes", () => {
  const yes: Authenticated = {
    user: "42",
    ttlMs: MINUTE_MS,
    refreshedBy: "server",
    channels: ["news"],
    meta: { plan: "gold" },
  };

  async function world(later: (request: AuthenticateRequest) => Authenticated | Denied) {
    const asked: AuthenticateRequest[] = [];
    const test = new TestHub({
      pings: { intervalMs: 0 },
      authenticate: (request) => {
        asked.push(request);
        return request.action === "connect" ? yes : later(request);
      },
    });
    const client = test.newClient().connect();
    await test.settle();
    return { test, client, asked };
  }

  it("does not know that its time is limited, and goes on for as long as the program says", async () => {
    const { test, client, asked } = await world(({ before }) => ({ ...(before as Authenticated) }));
    await using _ = test;
    expect(client.answerTo("connect").result).not.toHaveProperty("ttlMs");
    for (let minute = 1; minute <= 3; minute++) {
      await test.advance(MINUTE_MS + TICK_MS);
      expect(asked).toHaveLength(1 + minute);
      expect(asked.at(-1)).toMatchObject({ action: "refresh", before: { user: "42", meta: { plan: "gold" } } });
    }
    expect(client.disconnectCode).toBeUndefined();
    expect(test.hub.stats()).toMatchObject({ refreshes: 3 });
  });

  it("ends with 3005 when the program says no, without any grace, or with what the program says", async () => {
    const expired = await world(() => ({ error: { code: 109, message: "token expired", isTemporary: false } }));
    await using _ = expired.test;
    await expired.test.advance(MINUTE_MS + TICK_MS);
    expect(expired.client.disconnectCode).toBe(3005);
    const ended = await world(() => ({ disconnect: { code: 4_501, reason: "banned" } }));
    await using __ = ended.test;
    await ended.test.advance(MINUTE_MS + TICK_MS);
    expect(ended.client.disconnectCode).toBe(4_501);
  });

  it("outlives a program that fails for less than the grace, and no longer", async () => {
    let failures = 3;
    const { test, client, asked } = await world(() => {
      if (failures-- > 0) throw new Error("down");
      return yes;
    });
    await using _ = test;
    await test.advance(MINUTE_MS + TICK_MS);
    for (let retry = 0; retry < 3; retry++) await test.advance(5_000 + TICK_MS);
    expect(asked).toHaveLength(5);
    expect(client.disconnectCode).toBeUndefined();
    failures = Infinity;
    await test.advance(MINUTE_MS + TICK_MS);
    for (let retry = 0; retry < 6; retry++) await test.advance(5_000 + TICK_MS);
    expect(client.disconnectCode).toBe(3005);
  });
});

describe("a subscription that the server refreshes", () => {
  async function world(later: (request: AuthorizeRequest) => Authorized | Denied) {
    const test = new TestHub({
      channels: [{ match: "*", kind: "private", joinLeave: true, presence: true }],
      pings: { intervalMs: 0 },
      authorize: (request) =>
        request.action === "subscribe" ? { allowed: true, ttlMs: MINUTE_MS, refreshedBy: "server" } : later(request),
    });
    const client = await test.client();
    client.subscribe("a");
    await test.settle();
    return { test, client };
  }

  it("does not know that its time is limited, and goes on", async () => {
    const channelInfo = encoder.encode('{"seat":2}');
    const { test, client } = await world(() => ({ allowed: true, ttlMs: MINUTE_MS, channelInfo }));
    await using _ = test;
    expect(client.answerTo("subscribe a").result).not.toHaveProperty("ttlMs");
    await test.advance(MINUTE_MS + TICK_MS);
    await test.advance(MINUTE_MS + TICK_MS);
    expect(client.take().filter(({ kind }) => kind === "unsubscribed")).toEqual([]);
    expect(test.hub.stats()).toMatchObject({ refreshes: 2 });
  });

  it("ends with 2501 when the program says no", async () => {
    const { test, client } = await world(() => ({ error: { code: 103, message: "no", isTemporary: false } }));
    await using _ = test;
    await test.advance(MINUTE_MS + TICK_MS);
    expect(client.take().at(-1)).toMatchObject({ kind: "unsubscribed", channel: "a", code: 2501 });
  });

  it("outlives a program that fails for a while", async () => {
    let failures = 2;
    const { test, client } = await world(() => {
      if (failures-- > 0) throw new Error("down");
      return { allowed: true };
    });
    await using _ = test;
    await test.advance(MINUTE_MS + TICK_MS);
    for (let retry = 0; retry < 3; retry++) await test.advance(5_000 + TICK_MS);
    await test.advance(60 * MINUTE_MS);
    expect(client.take().filter(({ kind }) => kind === "unsubscribed")).toEqual([]);
  });
});
