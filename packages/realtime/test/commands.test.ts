import { describe, expect, it } from "vitest";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();
const history = { size: 500, ttlMs: 60_000 };

describe("publishing as a client", () => {
  it("is for whom the rule names, others get 103", async () => {
    await using test = new TestHub({
      channels: [
        { match: "server:*" },
        { match: "subscribers:*", publish: "subscribers" },
        { match: "clients:*", publish: "clients" },
      ],
    });
    const client = await test.client();
    const tryAll = async (): Promise<(number | undefined)[]> => {
      const all = ["server:a", "subscribers:a", "clients:a"];
      for (const channel of all) client.publish(channel, 1);
      await test.settle();
      return all.map((channel) => client.answerTo(`publish ${channel}`).error);
    };
    expect(await tryAll()).toEqual([103, 103, undefined]);
    client.subscribe("server:a").subscribe("subscribers:a");
    await test.settle();
    expect(await tryAll()).toEqual([103, undefined, undefined]);
    client.unsubscribe("subscribers:a");
    expect(await tryAll()).toEqual([103, 103, undefined]);
  });

  it("attaches who the server knows the client to be", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", kind: "private", publish: "clients" }],
      authenticate: () => ({ user: "42", connectionInfo: encoder.encode('{"name":"Ada"}') }),
      authorize: () => ({ allowed: true, channelInfo: encoder.encode('{"role":"owner"}') }),
    });
    const client = await test.subscriber("a");
    client.publish("a", { info: { user: "1" } });
    await test.settle();
    expect(client.events).toMatchObject([
      {
        publication: {
          info: {
            user: "42",
            client: client.id,
            connectionInfo: encoder.encode('{"name":"Ada"}'),
            channelInfo: encoder.encode('{"role":"owner"}'),
          },
        },
      },
    ]);
  });

  it("refuses with 107 what is empty, too large, no JSON or nested too deep, and keeps the session", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", publish: "clients" }],
      limits: { publicationBytes: 3_000, jsonDepth: 1_024 },
    });
    const client = await test.client();
    const answers = async (...all: readonly string[]): Promise<(number | undefined)[]> => {
      const errors: (number | undefined)[] = [];
      for (const text of all) {
        client.publish("a", encoder.encode(text));
        await test.settle();
        errors.push(client.answerTo("publish a").error);
      }
      return errors;
    };
    expect(await answers("", "{", "{} {}", "NaN", "'a'", `"${"x".repeat(3_000)}"`)).toEqual([
      107, 107, 107, 107, 107, 107,
    ]);
    expect(await answers("[".repeat(1_025) + "]".repeat(1_025))).toEqual([107]);
    expect(await answers("[".repeat(1_000) + "]".repeat(1_000), `"${"x".repeat(2_998)}"`, " null ")).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(client.disconnectCode).toBe(undefined);
  });

  it("takes anything in a binary channel, empty data too, and says what it is", async () => {
    await using test = new TestHub({ channels: [{ match: "*", data: "binary", publish: "clients" }] });
    const client = await test.subscriber("a");
    client.publish("a", new Uint8Array([0xff, 0]), "binary").publish("a", new Uint8Array(0), "binary");
    client.publish("a", { json: 1 }).publish("a", encoder.encode("{ no json"), "json");
    await test.settle();
    expect(client.events.map((event) => event.kind === "publication" && event.publication.format)).toEqual([
      "binary",
      "binary",
      "json",
      "binary",
    ]);
  });

  it("is answered 111 when the data of those under way take more than four of the largest publications", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", kind: "private", publish: "subscribers" }],
      authorize: () => new Promise(() => {}),
      limits: { publicationBytes: 1_000 },
    });
    const client = await test.client();
    client.subscribe("a");
    for (let count = 0; count < 5; count++) client.publish("a", "x".repeat(900));
    expect(client.take()).toMatchObject([{ to: "publish a", error: 111 }]);
    expect(test.hub.stats()).toMatchObject({ commandsInFlight: 5, bytesInFlight: 4 * 902 });
    await test.advance(5_000);
    expect(client.take()).toMatchObject([{ to: "subscribe a", error: 100 }, ...Array(4).fill({ error: 103 })]);
    expect(test.hub.stats()).toMatchObject({ commandsInFlight: 0, bytesInFlight: 0 });
  });

  it("waits for a subscribe under way, when only subscribers may, as do history and presence", async () => {
    await using test = new TestHub({ channels: [{ match: "*", publish: "subscribers", history, presence: true }] });
    const client = await test.client();
    client
      .subscribe("a")
      .publish("a", 1)
      .history("a")
      .presence("a")
      .presenceStats("a")
      .unsubscribe("a")
      .publish("a", 2);
    await test.settle();
    const answers = client.take().flatMap((told) => (told.kind === "answer" ? [[told.to, told.error]] : []));
    // What needs no broker is answered first.
    expect(answers).toEqual([
      ["subscribe a", undefined],
      ["unsubscribe a", undefined],
      ["publish a", 103],
      ["publish a", undefined],
      ["history a", undefined],
      ["presence a", undefined],
      ["stats a", undefined],
    ]);
    expect((await test.wait(test.hub.history("a"))).publications).toHaveLength(1);
  });

  it("is not answered any more when the client has gone", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", publish: "clients", history, presence: true, read: "clients" }],
    });
    const client = await test.client();
    client.publish("a", 1).history("a").presence("a").presenceStats("a");
    client.session.closed();
    await test.settle();
    expect(client.take()).toEqual([]);
    expect((await test.wait(test.hub.history("a"))).position.offset).toBe(1);
  });

  it("is answered 111, temporary, when very many are under way", async () => {
    await using test = new TestHub({ channels: [{ match: "*", publish: "clients" }] });
    const client = await test.client();
    for (let count = 0; count < 1_025; count++) client.publish("a", 1);
    expect(client.take()).toMatchObject([{ to: "publish a", error: 111 }]);
    expect(test.hub.stats().commandsInFlight).toBe(1_024);
    await test.settle();
    expect(client.take()).toHaveLength(1_024);
    client.publish("a", 1);
    await test.settle();
    expect(client.answerTo("publish a").error).toBe(undefined);
  });
});

describe("history", () => {
  it("is for subscribers, or for all clients where the rule says so", async () => {
    await using test = new TestHub({
      channels: [{ match: "open:*", history, read: "clients" }, { match: "none:*" }, { match: "*", history }],
    });
    const client = (await test.client()).history("closed").history("open:a").history("none:a");
    await test.settle();
    expect(client.answerTo("history closed").error).toBe(103);
    expect(client.answerTo("history none:a").error).toBe(108);
    expect(client.answerTo("history open:a").result).toMatchObject({ publications: [], position: { offset: 0 } });
    client.subscribe("closed");
    await test.settle();
    client.history("closed");
    await test.settle();
    expect(client.answerTo("history closed").error).toBe(undefined);
  });

  it("pages as the request says, 300 publications at most", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history, read: "clients" }] });
    await test.publish("a", ...Array.from({ length: 400 }, (_, index) => index + 1));
    const { position } = await test.wait(test.hub.history("a", { limit: 0 }));
    const client = await test.client();
    const offsets = async (request: Parameters<typeof client.history>[1]): Promise<number[]> => {
      client.history("a", request);
      await test.settle();
      const { result } = client.answerTo("history a");
      const page = result as { publications: { offset: number }[]; position: { offset: number } };
      expect(page.position.offset).toBe(400);
      return page.publications.map(({ offset }) => offset);
    };
    const { epoch } = position;
    expect(await offsets({ limit: 0 })).toEqual([]);
    expect(await offsets({ limit: 2 })).toEqual([1, 2]);
    expect(await offsets({ limit: -1 })).toHaveLength(300);
    expect(await offsets({ limit: 1e9 })).toHaveLength(300);
    expect(await offsets({ limit: 2, since: { offset: 10, epoch } })).toEqual([11, 12]);
    expect(await offsets({ limit: 2, since: { offset: 10, epoch: "" } })).toEqual([11, 12]);
    expect(await offsets({ limit: 2, reverse: true })).toEqual([400, 399]);
    expect(await offsets({ limit: 2, since: { offset: 10, epoch }, reverse: true })).toEqual([9, 8]);
    expect(await offsets({ limit: 2, since: { offset: 400, epoch } })).toEqual([]);
  });

  it("answers 112 for a position of another epoch, 107 for the reverse of nothing", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history, read: "clients" }] });
    await test.publish("a", 1);
    const client = (await test.client()).history("a", { since: { offset: 0, epoch: "otherone" } });
    await test.settle();
    expect(client.answerTo("history a").error).toBe(112);
    client.history("a", { since: { offset: 0, epoch: "" }, reverse: true });
    await test.settle();
    expect(client.answerTo("history a").error).toBe(107);
  });

  it("stops a page before it takes more than half of the client's queue", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", history, read: "clients" }],
      limits: { outboundBytesPerSession: 10_000 },
    });
    await test.publish("a", ...Array.from({ length: 20 }, () => "x".repeat(998)));
    const client = (await test.client()).history("a");
    await test.settle();
    const { result } = client.answerTo("history a");
    const { publications } = result as { publications: { offset: number }[] };
    expect(publications.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
  });
});

describe("presence", () => {
  const channels = [
    { match: "quiet:*" },
    { match: "open:*", presence: true, read: "clients" as const },
    { match: "*", presence: true },
  ];

  it("answers 108 where it is off, 103 to those who may not read it", async () => {
    await using test = new TestHub({ channels });
    const client = (await test.client())
      .presence("quiet:a")
      .presenceStats("quiet:a")
      .presence("a")
      .presenceStats("a")
      .presence("open:a");
    await test.settle();
    expect(client.answerTo("presence quiet:a").error).toBe(108);
    expect(client.answerTo("stats quiet:a").error).toBe(108);
    expect(client.answerTo("presence a").error).toBe(103);
    expect(client.answerTo("stats a").error).toBe(103);
    expect(client.answerTo("presence open:a").result).toEqual([]);
  });

  it("shows who is there, from the subscribe's answer to the end", async () => {
    await using test = new TestHub({ channels, authenticate: ({ token }) => ({ user: token ?? "" }) });
    const [ada, bob, anonymous] = ["ada", "bob", ""].map((token) =>
      test.newClient().connect({ token }).subscribe("a"),
    ) as [TestClient, TestClient, TestClient];
    await test.settle();
    const seen = async (): Promise<unknown[]> => {
      ada.presence("a").presenceStats("a");
      await test.settle();
      const members = ada.answerTo("presence a").result as { user: string }[];
      return [members.map(({ user }) => user).toSorted(), ada.answerTo("stats a").result];
    };
    expect(await seen()).toEqual([["", "ada", "bob"], { clients: 3, users: 3 }]);
    bob.unsubscribe("a");
    expect(await seen()).toEqual([["", "ada"], { clients: 2, users: 2 }]);
    anonymous.session.closed();
    expect(await seen()).toEqual([["ada"], { clients: 1, users: 1 }]);
  });

  it("is renewed for as long as a client stays", async () => {
    await using test = new TestHub({ channels, pings: { intervalMs: 0 } });
    const client = await test.subscriber("a");
    await test.advance(600_000);
    client.presence("a");
    await test.settle();
    expect(client.answerTo("presence a").result).toHaveLength(1);
  });

  it("lists 1,000 members at most, and counts them all", async () => {
    await using test = new TestHub({ channels, limits: { presenceMembers: 3 } });
    const clients = await Promise.all(Array.from({ length: 5 }, () => test.subscriber("a")));
    clients[0]?.presence("a").presenceStats("a");
    await test.settle();
    expect(clients[0]?.answerTo("presence a").result).toHaveLength(3);
    expect(clients[0]?.answerTo("stats a").result).toEqual({ clients: 5, users: 1 });
  });
});

describe("calls and messages", () => {
  it("reach the program's procedures", async () => {
    await using test = new TestHub({
      authenticate: () => ({ user: "42" }),
      procedures: {
        echo: ({ data, user }) => encoder.encode(`${user}:${new TextDecoder().decode(data)}`),
        later: async () => encoder.encode("1"),
        no: () => ({ error: { code: 400, message: "no", isTemporary: false } }),
        end: () => ({ disconnect: { code: 4000, reason: "end" } }),
        broken: () => {
          throw new Error("broken");
        },
        slow: () => new Promise(() => {}),
        wrong: () => "text" as never,
      },
    });
    const client = await test.client();
    for (const method of ["echo", "later", "no", "broken", "slow", "wrong", "unknown", "__proto__", "constructor"]) {
      client.call(method, { a: 1 });
    }
    await test.settle();
    await test.advance(5_000);
    expect(client.answerTo("call echo").result).toEqual(encoder.encode('42:{"a":1}'));
    expect(client.answerTo("call later").result).toEqual(encoder.encode("1"));
    expect(client.answerTo("call no").error).toBe(400);
    for (const method of ["broken", "slow", "wrong"]) expect(client.answerTo(`call ${method}`).error).toBe(100);
    for (const method of ["unknown", "__proto__", "constructor"]) {
      expect(client.answerTo(`call ${method}`).error).toBe(104);
    }
    client.call("end");
    expect(client.disconnectCode).toBe(4000);
  });

  it("answers 108 to calls where there are no procedures", async () => {
    await using test = new TestHub();
    expect((await test.client()).call("echo").answerTo("call echo").error).toBe(108);
  });

  it("tells a procedure when its caller has gone", async () => {
    const signals: AbortSignal[] = [];
    await using test = new TestHub({
      procedures: {
        wait({ signal }) {
          signals.push(signal);
          return new Promise(() => {});
        },
      },
    });
    const client = (await test.client()).call("wait");
    expect(signals[0]?.aborted).toBe(false);
    client.session.closed();
    expect(signals[0]?.aborted).toBe(true);
  });

  it("tells a procedure when its time has passed, with why; one that has answered hears nothing", async () => {
    const signals: AbortSignal[] = [];
    await using test = new TestHub({
      limits: { hookTimeoutMs: 2_000 },
      procedures: {
        wait({ signal }) {
          signals.push(signal);
          return new Promise(() => {});
        },
        answer({ signal }) {
          signals.push(signal);
          return Promise.resolve(new Uint8Array());
        },
      },
    });
    const client = (await test.client()).call("wait").call("answer");
    await test.advance(1_999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    await test.advance(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]?.reason).toMatchObject({ code: "timed-out" });
    expect(client.answerTo("call wait").error).toBe(100);
  });

  it("hands over what clients send; without a receiver that ends the session with 3508", async () => {
    const received: unknown[] = [];
    await using test = new TestHub({
      receive: ({ data, client }) => {
        received.push([new TextDecoder().decode(data), client]);
        throw new Error("broken");
      },
    });
    const client = await test.client();
    client.session.send(encoder.encode("1"), "json");
    expect(received).toEqual([["1", client.id]]);
    expect(client.take()).toEqual([]);
    expect(test.hub.stats().hookFailures).toBe(1);
    await using rejecting = new TestHub({ receive: async () => Promise.reject(new Error("broken")) });
    (await rejecting.client()).session.send(encoder.encode("1"), "json");
    await rejecting.settle();
    expect(rejecting.hub.stats().hookFailures).toBe(1);
    await using without = new TestHub();
    const other = await without.client();
    other.session.send(encoder.encode("1"), "json");
    expect(other.take()).toEqual([{ kind: "disconnect", code: 3508, discard: false }]);
  });

  it("ends a client with 3013 that sends faster than the program is through with it", async () => {
    await using test = new TestHub({ receive: () => new Promise<void>(() => {}) as unknown as undefined });
    const client = await test.client();
    for (let count = 0; count < 1_024; count++) client.session.send(encoder.encode("1"), "json");
    expect(client.disconnectCode).toBe(undefined);
    client.session.send(encoder.encode("1"), "json");
    expect(client.disconnectCode).toBe(3013);
  });

  it("has nothing to refresh: 3501 for the connection and for a subscription, 103 without one", async () => {
    await using test = new TestHub();
    const first = await test.client();
    first.session.refresh("token", () => {});
    expect(first.disconnectCode).toBe(3501);
    const second = await test.subscriber("a");
    const errors: (number | undefined)[] = [];
    second.session.refreshSubscription("b", "token", (error) => errors.push(error?.code));
    expect(errors).toEqual([103]);
    second.session.refreshSubscription("a", "token", () => {});
    expect(second.disconnectCode).toBe(3501);
  });
});
