import { type ClientInfo, PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryPresence } from "../src/memory-presence.ts";
import { TimerWheel } from "../src/timer-wheel.ts";
import { FakeClock } from "./fake-clock.ts";

const TICK_MS = 500;
const LEASE_MS = 60_000;

function setUp(maxLeases: number = 1_000): { clock: FakeClock; wheel: TimerWheel; presence: MemoryPresence } {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock, { tickMs: TICK_MS });
  return { clock, wheel, presence: new MemoryPresence({ clock, wheel, maxLeases }) };
}

function member(client: string, user: string = ""): ClientInfo {
  return { client, user };
}

describe("presence in memory", () => {
  it("lists who is in a channel in the order of their coming, and counts users once", () => {
    const { presence } = setUp();
    presence.put("room", member("c1", "ann"), LEASE_MS);
    presence.put("room", member("c2", "bob"), LEASE_MS);
    presence.put("room", member("c3", "ann"), LEASE_MS);
    presence.put("other", member("c1", "ann"), LEASE_MS);
    presence.put("room", member("c1", "ann"), LEASE_MS);
    expect(presence.members("room")).toEqual([member("c1", "ann"), member("c2", "bob"), member("c3", "ann")]);
    expect(presence.stats("room")).toEqual({ clients: 3, users: 2 });
    presence.remove("room", "c1");
    expect(presence.stats("room")).toEqual({ clients: 2, users: 2 });
    presence.remove("room", "c3");
    presence.remove("room", "c3");
    presence.remove("room", "nobody");
    presence.remove("nowhere", "c1");
    expect(presence.stats("room")).toEqual({ clients: 1, users: 1 });
    expect(presence.stats("nowhere")).toEqual({ clients: 0, users: 0 });
    expect(presence.members("nowhere")).toEqual([]);
  });

  it("counts anonymous users as one", () => {
    const { presence } = setUp();
    presence.put("room", member("c1"), LEASE_MS);
    presence.put("room", member("c2"), LEASE_MS);
    expect(presence.stats("room")).toEqual({ clients: 2, users: 1 });
  });

  it("follows a client that becomes another user", () => {
    const { presence } = setUp();
    presence.put("room", member("c1", "ann"), LEASE_MS);
    presence.put("room", member("c2", "ann"), LEASE_MS);
    presence.put("room", member("c1", "bob"), LEASE_MS);
    expect(presence.stats("room")).toEqual({ clients: 2, users: 2 });
    expect(presence.members("room")[0]).toEqual(member("c1", "bob"));
  });

  it("ends a lease that is not renewed, and leaves nothing behind", async () => {
    const { clock, wheel, presence } = setUp();
    presence.put("room", member("c1"), LEASE_MS);
    presence.put("room", member("c2"), LEASE_MS);
    await clock.pass(LEASE_MS - 1);
    presence.put("room", member("c2"), LEASE_MS);
    await clock.pass(TICK_MS + 1);
    expect(presence.members("room")).toEqual([member("c2")]);
    await clock.pass(LEASE_MS);
    expect(presence.members("room")).toEqual([]);
    expect([presence.channels, presence.leases, wheel.size, clock.pending]).toEqual([0, 0, 0, 0]);
  });

  it("ends sooner when a renewal says so", async () => {
    const { clock, presence } = setUp();
    presence.put("room", member("c1"), LEASE_MS);
    presence.put("room", member("c1"), 1_000);
    await clock.pass(1_000 + TICK_MS);
    expect(presence.leases).toBe(0);
  });

  it("refuses one too many, but renews", () => {
    const { presence } = setUp(2);
    presence.put("room", member("c1"), LEASE_MS);
    presence.put("other", member("c1"), LEASE_MS);
    presence.put("other", member("c1"), LEASE_MS);
    let refused: unknown;
    try {
      presence.put("third", member("c1"), LEASE_MS);
    } catch (thrown) {
      refused = thrown;
    }
    expect(PolywireError.is(refused) && refused.code).toBe("limit-reached");
    expect(presence.channels).toBe(2);
    presence.remove("room", "c1");
    presence.put("third", member("c1"), LEASE_MS);
    expect(presence.leases).toBe(2);
  });

  it("has everybody whose lease runs and nobody whose lease ended a tick ago", async () => {
    const step = fc.record({
      kind: fc.constantFrom("put" as const, "put" as const, "remove" as const, "wait" as const),
      channel: fc.constantFrom("a", "b"),
      client: fc.constantFrom("c1", "c2", "c3", "c4"),
      user: fc.constantFrom("", "ann", "bob"),
      ms: fc.integer({ min: 1, max: 5_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, wheel, presence } = setUp();
        const model = new Map<string, { readonly info: ClientInfo; readonly endsAtMs: number }>();
        for (const { kind, channel, client, user, ms } of steps) {
          const name = `${channel} ${client}`;
          if (kind === "put") {
            presence.put(channel, member(client, user), ms);
            model.set(name, { info: member(client, user), endsAtMs: clock.now() + ms });
          } else if (kind === "remove") {
            presence.remove(channel, client);
            model.delete(name);
          } else await clock.pass(ms);
          for (const one of ["a", "b"]) {
            const members = presence.members(one);
            const nowMs = clock.now();
            for (const info of members) {
              const known = model.get(`${one} ${info.client}`);
              if (known === undefined) throw new Error(`${info.client} was never put, or was removed`);
              expect(known.info).toEqual(info);
              expect(known.endsAtMs + TICK_MS).toBeGreaterThan(nowMs - 1);
            }
            for (const [known, { info, endsAtMs }] of model) {
              if (!known.startsWith(one) || endsAtMs <= nowMs) continue;
              expect(members).toContainEqual(info);
            }
            const users = new Set(members.map((info) => info.user)).size;
            expect(presence.stats(one)).toEqual({ clients: members.length, users });
          }
          expect(presence.leases).toBe(wheel.size);
        }
      }),
      { numRuns: 300 },
    );
  });
});
