import { describe, expect, it } from "vitest";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();

describe("connecting", () => {
  it("answers with an id, the version and the pings, before anything else", async () => {
    await using test = new TestHub({ version: "7" });
    const client = test.newClient().connect();
    expect(client.take()).toEqual([
      {
        kind: "answer",
        to: "connect",
        error: undefined,
        result: {
          client: client.id,
          version: "7",
          subscriptions: new Map(),
          pingIntervalMs: 25_000,
          isPongExpected: true,
        },
      },
    ]);
    expect(client.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("ends a session that sends any command before connect with 3501", async () => {
    await using test = new TestHub();
    const commands: ((client: ReturnType<TestHub["newClient"]>) => void)[] = [
      (client) => client.subscribe("a"),
      (client) => client.unsubscribe("a"),
      (client) => client.publish("a", 1),
      (client) => client.presence("a"),
      (client) => client.presenceStats("a"),
      (client) => client.history("a"),
      (client) => client.call("a"),
      (client) => client.session.send(encoder.encode("1"), "json"),
      (client) => client.session.pong(),
      (client) => client.session.refresh("t", () => {}),
      (client) => client.session.refreshSubscription("a", "t", () => {}),
    ];
    for (const command of commands) {
      const client = test.newClient();
      command(client);
      expect(client.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
    }
  });

  it("ends a session that connects twice with 3501", async () => {
    await using test = new TestHub();
    const client = await test.client();
    client.connect();
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
  });

  it("ends a session that does not connect within 10 s with 3502", async () => {
    await using test = new TestHub();
    const client = test.newClient();
    await test.advance(9_400);
    expect(client.take()).toEqual([]);
    await test.advance(1_600);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3502, discard: false }]);
    expect(test.hub.stats().staleSessions).toBe(1);
  });

  it("is done with a client whose connect was refused: no command is taken, the end comes", async () => {
    const error = { code: 109, message: "token expired", isTemporary: false };
    await using test = new TestHub({ authenticate: () => ({ error }) });
    const client = test.newClient().connect({ token: "old" });
    expect(client.take()).toMatchObject([{ kind: "answer", to: "connect", error: 109 }]);
    await test.advance(11_000);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3502, discard: false }]);
    const other = test.newClient().connect();
    other.take();
    other.publish("a", 1);
    expect(other.take()).toEqual([{ kind: "disconnect", code: 3501, discard: false }]);
  });

  it("lets the program decide who a client is, and shows what it says to others", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", publish: "clients" }],
      authenticate: async ({ token }) => ({
        user: token ?? "",
        connectionInfo: encoder.encode('{"name":"Ada"}'),
        data: encoder.encode('{"hello":1}'),
      }),
    });
    const client = test.newClient().connect({ token: "42" });
    await test.settle();
    expect(client.answerTo("connect").result).toMatchObject({ data: encoder.encode('{"hello":1}') });
    client.subscribe("a").publish("a", 1);
    await test.settle();
    expect(client.events).toMatchObject([
      { publication: { info: { user: "42", client: client.id, connectionInfo: encoder.encode('{"name":"Ada"}') } } },
    ]);
  });

  it("answers 100, temporary, when the program throws, rejects, answers nonsense or takes over 5 s", async () => {
    const hooks = [
      () => {
        throw new Error("broken");
      },
      () => Promise.reject(new Error("broken")),
      () => ({ nonsense: true }) as never,
      () => undefined as never,
      () => ({ user: "a", connectionInfo: encoder.encode("no json") }),
      () => ({ user: "a", connectionInfo: encoder.encode(`"${"x".repeat(2_047)}"`) }),
      () => ({ user: "a", channels: 1 }) as never,
      () => new Promise<never>(() => {}),
    ];
    for (const authenticate of hooks) {
      await using test = new TestHub({ authenticate });
      const client = test.newClient().connect();
      await test.settle();
      await test.advance(5_000);
      expect(client.take()).toMatchObject([{ kind: "answer", to: "connect", error: 100 }]);
      const { hookFailures, hookTimeouts } = test.hub.stats();
      expect(hookFailures + hookTimeouts).toBe(1);
    }
  });

  it("tells a client to come back (3004) when its own work on the connect takes too long", async () => {
    const authenticate = (): Promise<never> => new Promise(() => {});
    await using test = new TestHub({ authenticate, limits: { hookTimeoutMs: 60_000 } });
    const client = test.newClient().connect();
    await test.advance(11_000);
    expect(client.take()).toEqual([{ kind: "disconnect", code: 3004, discard: false }]);
  });

  it("survives an answer of the program that is nonsense in a way only its use shows", async () => {
    const nonsense = {
      user: "a",
      get data(): never {
        throw new Error("trap");
      },
    };
    for (const authenticate of [() => nonsense, async () => nonsense]) {
      await using test = new TestHub({ authenticate });
      const client = test.newClient().connect();
      await test.settle();
      expect(client.disconnectCode).toBe(3004);
      expect(test.hub.stats()).toMatchObject({ sessions: 0, hookFailures: 1 });
    }
  });

  it("does not answer a client that has gone while the program was deciding", async () => {
    let admit = (): void => {};
    await using test = new TestHub({
      authenticate: () => new Promise((resolve) => (admit = () => resolve({ user: "42" }))),
    });
    const client = test.newClient().connect();
    client.session.closed();
    admit();
    await test.settle();
    expect(client.take()).toEqual([]);
    expect(test.hub.stats()).toMatchObject({ sessions: 0, users: 0, connects: 0 });
  });

  it("allows 10 sessions of one user, any number of anonymous ones", async () => {
    await using test = new TestHub({ authenticate: ({ token }) => ({ user: token ?? "" }) });
    const clients = Array.from({ length: 10 }, () => test.newClient().connect({ token: "42" }));
    const eleventh = test.newClient().connect({ token: "42" });
    expect(eleventh.take()).toEqual([{ kind: "disconnect", code: 3504, discard: false }]);
    clients[0]?.session.closed();
    expect(test.newClient().connect({ token: "42" }).answerTo("connect").error).toBe(undefined);
    for (let count = 0; count < 11; count++) {
      expect(test.newClient().connect().answerTo("connect").error).toBe(undefined);
    }
  });

  it("tells a client to come back later when the hub is full", async () => {
    await using test = new TestHub({ limits: { sessions: 2 } });
    const first = await test.client();
    await test.client();
    const third = test.newClient();
    expect(third.take()).toEqual([{ kind: "disconnect", code: 3013, discard: false }]);
    expect(third.session.isClosed).toBe(true);
    first.session.closed();
    expect(test.newClient().connect().answerTo("connect").error).toBe(undefined);
    expect(test.hub.stats()).toMatchObject({ sessions: 2, sessionsRefused: 1 });
  });
});

describe("channels that the server subscribes at connect", () => {
  const channels = [
    { match: "news", kind: "broadcast", history: { size: 10, ttlMs: 60_000 }, recovery: true },
    { match: "*", history: { size: 10, ttlMs: 60_000 }, recovery: true, presence: true },
  ] as const;

  it("come with the connect's answer, before what is published meanwhile", async () => {
    await using test = new TestHub({ channels, authenticate: () => ({ user: "42", channels: ["#42"] }) });
    await test.publish("news", 1, 2);
    const client = test.newClient().connect();
    const published = test.hub.publish("news", 3);
    await test.wait(published);
    const [answer, ...rest] = client.take();
    expect(answer).toMatchObject({ kind: "answer", to: "connect", error: undefined });
    const { subscriptions } = (answer as { result: { subscriptions: Map<string, { position: { offset: number } }> } })
      .result;
    expect([...subscriptions.keys()]).toEqual(["news", "#42"]);
    const start = subscriptions.get("news")?.position.offset ?? -1;
    const pushed = rest.flatMap((told) => (told.kind === "publication" ? [told.offset] : []));
    expect([start, ...pushed]).toEqual([2, 3].slice(start === 3 ? 1 : 0));
  });

  it("are recovered from what the client says it has", async () => {
    await using test = new TestHub({ channels });
    await test.publish("news", 1, 2, 3);
    const { position } = await test.wait(test.hub.history("news"));
    const since = { offset: 1, epoch: position.epoch };
    const client = test.newClient().connect({ subscriptions: new Map([["news", { recover: true, since }]]) });
    await test.settle();
    const { subscriptions } = client.answerTo("connect").result as { subscriptions: Map<string, unknown> };
    expect(subscriptions.get("news")).toMatchObject({
      isRecovered: true,
      wasRecovering: true,
      position: since,
      publications: [{ offset: 2 }, { offset: 3 }],
    });
  });

  it("cannot be subscribed by the client again (105), and nobody may publish to a broadcast (103)", async () => {
    await using test = new TestHub({ channels });
    const client = test.newClient().connect();
    await test.settle();
    client.subscribe("news").publish("news", 1);
    expect(client.answerTo("subscribe news").error).toBe(105);
    expect(client.answerTo("publish news").error).toBe(103);
  });

  it("refuse the connect when no rule covers them", async () => {
    await using test = new TestHub({
      channels: [{ match: "a" }],
      authenticate: () => ({ user: "42", channels: ["a", "unknown"] }),
    });
    const client = test.newClient().connect();
    await test.settle();
    expect(client.take()).toMatchObject([{ kind: "answer", to: "connect", error: 102 }]);
    expect(test.hub.stats()).toMatchObject({ subscriptions: 0, channels: 0 });
  });
});
