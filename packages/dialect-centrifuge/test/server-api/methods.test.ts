import { type Broker, MemoryBroker } from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type ApiBench, apiBench } from "./api-bench.ts";

const history = { size: 100, ttlMs: 60_000 };

const CHANNELS = [
  { match: "kept:*", history, recovery: true, presence: true },
  { match: "bytes", data: "binary", history },
  { match: "news" },
] as const;

/** The bench's clock shows this moment when it begins. */
const NOW_SECONDS = 1_800_000_000;

function usersBench(): Promise<ApiBench> {
  return apiBench({
    channels: CHANNELS,
    pings: { intervalMs: 0 },
    authenticate: ({ token }) => ({ user: token ?? "" }),
  });
}

/** A connected client of this user. */
async function member(bench: ApiBench, user: string): ReturnType<ApiBench["connect"]> {
  return await bench.connect("json", user === "" ? {} : { token: user });
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("publish", () => {
  it("reaches subscribers as the text it was, and tells its position", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const { client } = await bench.subscribe("json", "kept:a");
    const body = '{"channel":"kept:a","data":{"n":12345678901234567890, "a":1, "a":2},"tags":{"__proto__":"x"}}';
    const { body: answer } = await bench.post("publish", body);
    const { position } = await bench.hub.history("kept:a");
    expect(answer).toEqual({ result: { offset: 1, epoch: position.epoch } });
    const { publications } = await bench.hub.history("kept:a");
    expect(new TextDecoder().decode(publications[0]?.data)).toBe('{"n":12345678901234567890, "a":1, "a":2}');
    expect(publications[0]?.tags).toEqual(new Map([["__proto__", "x"]]));
    expect(await client.next()).toMatchObject({ push: { channel: "kept:a", pub: { offset: 1, data: { a: 2 } } } });
  });

  it("takes any JSON, null too, on several lines too, and base64 where the channel holds bytes", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    for (const data of [null, false, 0, "", [], {}]) await bench.call("publish", { channel: "kept:a", data });
    const { publications } = await bench.hub.history("kept:a");
    expect(publications.map(({ data }) => new TextDecoder().decode(data))).toEqual([
      "null",
      "false",
      "0",
      '""',
      "[]",
      "{}",
    ]);
    expect((await bench.post("publish", '{\n "channel": "news",\r\n\t"data": [\n 1 ]\n}\n')).body).toEqual({
      result: {},
    });
    await bench.call("publish", { channel: "bytes", b64data: "AP8=" });
    await bench.call("publish", { channel: "bytes", data: { a: 1 } });
    await bench.call("publish", { channel: "bytes", b64data: "" });
    const bytes = (await bench.hub.history("bytes")).publications;
    expect(bytes.map(({ data, format }) => [Buffer.from(data).toString("hex"), format])).toEqual([
      ["00ff", "binary"],
      [Buffer.from('{"a":1}').toString("hex"), "json"],
      ["", "binary"],
    ]);
    await bench.call("publish", { channel: "news", b64data: base64('{"a":1}') });
    expect(await bench.refusal("publish", { channel: "news", b64data: "AP8=" })).toEqual({
      code: 107,
      message: 'bad request: cannot publish to "news": the data are not JSON text, or nested deeper than 1024',
    });
  });

  it("happens once for one idempotency key, until five minutes have passed", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const publish = (key: string, channel = "kept:a"): Promise<unknown> =>
      bench.call("publish", { channel, data: key, idempotency_key: key });
    expect(await publish("k")).toMatchObject({ offset: 1 });
    expect(await publish("l")).toMatchObject({ offset: 2 });
    expect(await publish("k")).toMatchObject({ offset: 1 });
    expect(await publish("k", "kept:b")).toMatchObject({ offset: 1 });
    bench.clock.advance(301_000);
    await bench.call("publish", { channel: "kept:a", data: 0 });
    expect(await publish("k")).toMatchObject({ offset: 4 });
    expect(await bench.refusal("publish", { channel: "news", data: 1, idempotency_key: "k".repeat(257) })).toEqual({
      code: 107,
      message: expect.stringMatching(/idempotency_key: has 257 characters: give 256 at most/),
    });
  });

  it("keeps nothing with skip_history, and no version that is not above the last", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const channel = "kept:a";
    expect(await bench.call("publish", { channel, data: 1, skip_history: true })).toEqual({});
    expect(await bench.call("publish", { channel, data: 2, version: 7 })).toMatchObject({ offset: 1 });
    expect(await bench.call("publish", { channel, data: 3, version: 7 })).toMatchObject({ offset: 1 });
    expect(await bench.call("publish", { channel, data: 4, version: 1, version_epoch: "e" })).toMatchObject({
      offset: 2,
    });
    expect((await bench.refusal("publish", { channel: "news", data: 1, version: 1 })).code).toBe(108);
    expect(await bench.refusal("publish", { channel, data: 1, version_epoch: "e" })).toEqual({
      code: 107,
      message: "bad request: version_epoch: goes with version",
    });
  });

  it("is refused with an error that names the field", async () => {
    await using bench = await apiBench({ channels: CHANNELS, limits: { publicationBytes: 100 } });
    const refusals = [
      [{ data: 1 }, 107, "bad request: channel is missing"],
      [{ channel: "", data: 1 }, 107, "bad request: channel is missing"],
      [{ channel: null, data: 1 }, 107, "bad request: channel is missing"],
      [{ channel: "news" }, 107, "bad request: data is missing"],
      [{ channel: "other", data: 1 }, 102, /^unknown channel: no rule covers the channel "other"/],
      [{ channel: "n".repeat(256), data: 1 }, 107, /is no channel: give 1 to 255 bytes/],
      [{ channel: "news", data: "x".repeat(99) }, 107, /101 bytes, the limit is 100/],
      [{ channel: "news", data: 1, tags: { a: "x".repeat(4_096) } }, 107, /tags take 4097 of 4096 bytes/],
    ] as const;
    for (const [body, code, message] of refusals) {
      const refusal = await bench.refusal("publish", body);
      expect(refusal.code).toBe(code);
      if (typeof message === "string") expect(refusal.message).toBe(message);
      else expect(refusal.message).toMatch(message);
    }
    expect(bench.api.stats()).toEqual({ calls: 8, refused: 8, failed: 0, unauthorized: 0 });
  });
});

describe("broadcast", () => {
  it("publishes to each channel, and tells of each in order", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const { epoch } = (await bench.hub.history("kept:a")).position;
    const result = await bench.call("broadcast", { channels: ["kept:a", "other", "news"], data: 1 });
    expect(result).toEqual({
      responses: [
        { result: { offset: 1, epoch } },
        { error: { code: 102, message: expect.stringContaining('"other"') } },
        { result: {} },
      ],
    });
    expect((await bench.refusal("broadcast", { channels: [], data: 1 })).message).toBe(
      "bad request: channels: give at least one",
    );
    const [again] = (
      (await bench.call("broadcast", { channels: ["kept:b", "kept:b"], data: 1, idempotency_key: "k" })) as {
        responses: unknown[];
      }
    ).responses;
    expect(again).toMatchObject({ result: { offset: 1 } });
    expect((await bench.hub.history("kept:b")).publications).toHaveLength(1);
  });
});

describe("the sessions of a user", () => {
  it("are subscribed, with data, info and a position to recover from", async () => {
    await using bench = await usersBench();
    const { client, id } = await member(bench, "42");
    const { client: stranger } = await member(bench, "43");
    for (const data of [1, 2, 3]) await bench.hub.publish("kept:a", data);
    const { epoch } = (await bench.hub.history("kept:a")).position;
    const info = { role: "admin" };
    const recover = { recover_since: { offset: 1, epoch } };
    expect(
      await bench.call("subscribe", { user: "42", channel: "kept:a", data: { why: "api" }, info, ...recover }),
    ).toEqual({});
    expect(await client.next()).toMatchObject({
      push: { channel: "kept:a", subscribe: { recoverable: true, offset: 1, epoch, data: { why: "api" } } },
    });
    expect(await client.next()).toMatchObject({ push: { channel: "kept:a", pub: { offset: 2 } } });
    expect(await client.next()).toMatchObject({ push: { channel: "kept:a", pub: { offset: 3 } } });
    expect(stranger.take()).toEqual([]);
    expect(await bench.call("presence", { channel: "kept:a" })).toEqual({
      presence: { [id]: { user: "42", client: id, chan_info: info } },
    });
    expect(await bench.call("presence_stats", { channel: "kept:a" })).toEqual({ num_clients: 1, num_users: 1 });
  });

  it("are subscribed with a position also where the rule keeps none, and until a time", async () => {
    await using bench = await usersBench();
    const { client } = await member(bench, "42");
    const override = { force_positioning: { value: true } };
    await bench.call("subscribe", { user: "42", channel: "bytes", override, expire_at: NOW_SECONDS + 60 });
    expect(await client.next()).toMatchObject({ push: { channel: "bytes", subscribe: { positioned: true } } });
    await bench.pass(61_000);
    expect(await client.closed).toMatchObject({ code: 3006, reason: "subscription expired" });
  });

  it("are unsubscribed from one channel, and from all", async () => {
    await using bench = await usersBench();
    const { client, id } = await member(bench, "42");
    for (const channel of ["news", "kept:a", "kept:b"]) await client.ask({ subscribe: { channel } });
    await bench.call("unsubscribe", { user: "42", client: id, channel: "kept:a" });
    expect(await client.next()).toEqual({
      push: { channel: "kept:a", unsubscribe: { code: 2000, reason: "server unsubscribe" } },
    });
    await bench.call("unsubscribe", { user: "42", channel: "" });
    expect([await client.next(), await client.next()]).toMatchObject([
      { push: { channel: "news", unsubscribe: {} } },
      { push: { channel: "kept:b", unsubscribe: {} } },
    ]);
  });

  it("are disconnected but for those on the whitelist, with 3503 unless told otherwise", async () => {
    await using bench = await usersBench();
    const [one, other, anonymous] = [await member(bench, "42"), await member(bench, "42"), await member(bench, "")];
    await bench.call("disconnect", { user: "42", whitelist: [other.id] });
    expect(await one.client.closed).toMatchObject({ code: 3503, reason: "force disconnect" });
    await bench.call("disconnect", { client: other.id, disconnect: { code: 4100, reason: "come back" } });
    expect(await other.client.closed).toMatchObject({ code: 4100, reason: "come back" });
    expect(bench.hub.stats().sessions).toBe(1);
    await bench.call("disconnect", { user: "" });
    expect(await anonymous.client.closed).toMatchObject({ code: 3503 });
  });

  it("are given an end, which can be lifted, or end at once", async () => {
    await using bench = await usersBench();
    const [one, other, third] = [await member(bench, "42"), await member(bench, "43"), await member(bench, "44")];
    for (const user of ["42", "43"]) await bench.call("refresh", { user, expire_at: NOW_SECONDS + 30, info: { a: 1 } });
    await bench.call("refresh", { user: "43" });
    await bench.pass(31_000);
    expect(await one.client.closed).toMatchObject({ code: 3005, reason: "connection expired" });
    expect(await other.client.ask({ subscribe: { channel: "kept:a" } })).toHaveProperty("subscribe");
    expect(await bench.call("presence", { channel: "kept:a" })).toEqual({
      presence: { [other.id]: { user: "43", client: other.id, conn_info: { a: 1 } } },
    });
    await bench.call("refresh", { user: "44", expired: true });
    expect(await third.client.closed).toMatchObject({ code: 3005 });
  });

  it("are named clearly, or nobody is touched", async () => {
    await using bench = await usersBench();
    await member(bench, "");
    const refusals = [
      ["disconnect", {}, 107, /user: is missing: give "" for everybody anonymous/],
      ["disconnect", { user: "42", session: "s" }, 107, /session: not supported/],
      ["disconnect", { user: "", disconnect: { code: 2000 } }, 107, /disconnect\.code: is 2000: give 3000 to 4999/],
      ["disconnect", { user: "", disconnect: { code: 5000 } }, 107, /disconnect\.code/],
      ["disconnect", { user: "", disconnect: {} }, 107, /disconnect\.code is missing/],
      [
        "disconnect",
        { user: "", disconnect: { code: 4000, reason: "ü".repeat(62) } },
        107,
        /reason: has more than 123/,
      ],
      ["subscribe", { user: "" }, 107, /channel is missing/],
      ["subscribe", { user: "", channel: "other" }, 102, /"other"/],
      ["subscribe", { user: "", channel: "news", expire_at: NOW_SECONDS }, 107, /expire_at: is in the past/],
      [
        "subscribe",
        { user: "", channel: "news", info: "x".repeat(2_048) },
        107,
        /info: has 2050 bytes: give 2048 at most/,
      ],
      ["subscribe", { user: "", channel: "news", override: { presence: { value: true } } }, 108, /override\.presence/],
      ["subscribe", { user: "", channel: "news", override: { force_recovery: { value: true } } }, 108, /no history/],
      ["refresh", { user: "", expire_at: 1 }, 107, /expire_at: is in the past/],
      ["refresh", { expired: true }, 107, /user: is missing/],
    ] as const;
    for (const [method, body, code, message] of refusals) {
      expect(await bench.refusal(method, body)).toEqual({ code, message: expect.stringMatching(message) });
    }
    expect(bench.hub.stats()).toMatchObject({ sessions: 1, subscriptions: 0 });
  });
});

describe("reading", () => {
  it("pages through history, forward and backward", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    for (const data of [1, 2, 3]) await bench.hub.publish("kept:a", data, { tags: { n: String(data) } });
    const channel = "kept:a";
    const { epoch } = (await bench.hub.history(channel)).position;
    const publication = (n: number): unknown => ({ data: n, offset: n, tags: { n: String(n) } });
    const page = (...numbers: number[]): unknown => ({ publications: numbers.map(publication), epoch, offset: 3 });
    expect(await bench.call("history", { channel })).toEqual(page());
    expect(await bench.call("history", { channel, limit: -1 })).toEqual(page(1, 2, 3));
    expect(await bench.call("history", { channel, limit: 2 })).toEqual(page(1, 2));
    expect(await bench.call("history", { channel, limit: 9, since: { offset: 1, epoch } })).toEqual(page(2, 3));
    expect(await bench.call("history", { channel, limit: 1, reverse: true })).toEqual(page(3));
    expect(await bench.call("history", { channel, limit: 9, since: { offset: 3 }, reverse: true })).toEqual(page(2, 1));
    expect(await bench.refusal("history", { channel, since: { offset: 1, epoch: "other" } })).toEqual({
      code: 112,
      message: expect.stringMatching(/^unrecoverable position: /),
    });
    expect((await bench.refusal("history", { channel, since: {}, reverse: true })).code).toBe(107);
    expect((await bench.refusal("history", { channel: "news" })).code).toBe(108);
    expect(await bench.call("history_remove", { channel })).toEqual({});
    expect(await bench.call("history", { channel, limit: -1 })).toEqual(page());
    expect(await bench.call("history", { channel: "kept:new", limit: 1 })).toEqual({
      publications: [],
      epoch: expect.stringMatching(/^\w{8}$/),
      offset: 0,
    });
  });

  it("gives a page of 2 MiB at most, and bytes in base64", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    for (let index = 0; index < 3; index++) await bench.hub.publish("kept:a", "x".repeat(1_000_000));
    const { publications } = (await bench.call("history", { channel: "kept:a", limit: -1 })) as {
      publications: unknown[];
    };
    expect(publications).toHaveLength(2);
    await bench.hub.publish("bytes", new Uint8Array([0, 255]));
    expect(await bench.call("history", { channel: "bytes", limit: 1 })).toMatchObject({
      publications: [{ data: "AP8=", offset: 1, tags: { encoding: "base64" } }],
    });
  });

  it("tells who published, where it was a client", async () => {
    await using bench = await apiBench({ channels: [{ match: "*", publish: "clients", history }] });
    const { client, id } = await bench.connect("json");
    await client.ask({ publish: { channel: "a", data: 1 } });
    expect(await bench.call("history", { channel: "a", limit: 1 })).toMatchObject({
      publications: [{ data: 1, offset: 1, info: { user: "", client: id } }],
    });
  });

  it("counts nobody as nothing: presence, stats", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    expect(await bench.call("presence", { channel: "kept:a" })).toEqual({ presence: {} });
    expect(await bench.call("presence_stats", { channel: "kept:a" })).toEqual({ num_clients: 0, num_users: 0 });
    expect((await bench.refusal("presence", { channel: "news" })).code).toBe(108);
    expect((await bench.refusal("presence_stats", { channel: "other" })).code).toBe(102);
  });

  it("lists channels by pattern, and describes the process", async () => {
    await using bench = await apiBench({ channels: CHANNELS, version: "1.2.3", nodeName: "here" });
    const { client } = await bench.subscribe("json", "kept:a");
    await client.ask({ subscribe: { channel: "news" } });
    await bench.subscribe("json", "news");
    expect(await bench.call("channels")).toEqual({
      channels: { "kept:a": { num_clients: 1 }, news: { num_clients: 2 } },
    });
    expect(await bench.call("channels", { pattern: "kept:*" })).toEqual({ channels: { "kept:a": { num_clients: 1 } } });
    expect(await bench.call("channels", { pattern: "no*" })).toEqual({ channels: {} });
    expect((await bench.refusal("channels", { pattern: "*".repeat(1_025) })).message).toMatch(
      /pattern: has 1025 characters/,
    );
    bench.clock.advance(90_000);
    const uid = expect.stringMatching(/^[\da-f-]{36}$/);
    const counts = {
      num_clients: expect.any(Number),
      num_users: 0,
      num_subs: expect.any(Number),
      num_channels: expect.any(Number),
    };
    expect(await bench.call("info")).toEqual({
      nodes: [{ uid, name: "here", version: "1.2.3", ...counts, uptime: 90 }],
    });
  });
});

describe("batch", () => {
  it("answers each call in order, those that fail too", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const { epoch } = (await bench.hub.history("kept:a")).position;
    const commands = [
      { publish: { channel: "kept:a", data: 1 } },
      { publish: { channel: "kept:a" } },
      { history: { channel: "kept:a", limit: 1 } },
      { broadcast: { channels: ["news"], data: 2 } },
      { presence: { channel: "news" } },
      { info: {} },
    ];
    const replies = [
      { publish: { offset: 1, epoch } },
      { error: { code: 107, message: "bad request: data is missing" } },
      { history: { publications: [{ data: 1, offset: 1 }], epoch, offset: 1 } },
      { broadcast: { responses: [{ result: {} }] } },
      { error: { code: 108, message: expect.any(String) } },
      { info: { nodes: [expect.any(Object)] } },
    ];
    expect(await bench.call("batch", { commands })).toEqual({ replies });
  });

  it("runs at once if asked to, and still answers in order", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const commands = Array.from({ length: 1_024 }, (_, n) => ({ publish: { channel: "kept:a", data: n } }));
    const { replies } = (await bench.call("batch", { commands, parallel: true })) as { replies: unknown[] };
    expect(replies.at(-1)).toMatchObject({ publish: { offset: 1_024 } });
    const { status, body } = await bench.post("batch", { commands: [...commands, { info: {} }] });
    expect([status, body]).toMatchObject([400, { error: { code: 107, message: expect.stringContaining("commands") } }]);
  });

  it("waits for no call before the next when they run at once", async () => {
    const inner = new MemoryBroker();
    let release = (): void => {};
    const published = new Promise<void>((resolve) => (release = resolve));
    const { streams, presence, control } = inner;
    // History is answered once something was published.
    const broker: Broker = {
      name: "waiting",
      presence,
      control,
      streams: {
        ...streams,
        history: (channel, request, done) => void published.then(() => streams.history(channel, request, done)),
        publish: (channel, draft, stream, done) => {
          release();
          streams.publish(channel, draft, stream, done);
        },
      },
      start: (events) => inner.start(events),
      close: () => inner.close(),
    };
    await using bench = await apiBench({ channels: CHANNELS, broker });
    const commands = [{ history: { channel: "kept:a", limit: 1 } }, { publish: { channel: "kept:a", data: 1 } }];
    expect(await bench.call("batch", { commands, parallel: true })).toMatchObject({
      replies: [{ history: { offset: expect.any(Number) } }, { publish: { offset: 1 } }],
    });
  });

  it("is an error where its answer would be too large, and the server goes on", { timeout: 30_000 }, async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    for (let index = 0; index < 2; index++) await bench.hub.publish("kept:a", "x".repeat(1_000_000));
    const asking = (times: number): object => ({
      commands: Array.from({ length: times }, () => ({ history: { channel: "kept:a", limit: -1 } })),
    });
    expect(await bench.refusal("batch", asking(9))).toEqual({
      code: 107,
      message: "bad request: the answer would be over 16777216 bytes: ask for less",
    });
    const { replies } = (await bench.call("batch", asking(8))) as { replies: unknown[] };
    expect(replies).toHaveLength(8);
    const line = JSON.stringify({ method: "batch", params: asking(8) });
    const { text } = await bench.post("", `${line}\n`.repeat(3));
    const answers = text
      .split("\n")
      .map((one) => [one.length > 1_000_000, one.includes("too much was answered before")]);
    expect(answers).toEqual([...Array.from({ length: 2 }, () => [true, false]), [false, true]]);
  });

  it("does nothing at all when a part of it cannot be read", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const first = { publish: { channel: "kept:a", data: 1 } };
    const wrong: readonly (readonly [unknown, string])[] = [
      [{ publish: { channel: "kept:a", data: 2, chanel: 1 } }, 'commands[1].publish: unknown field "chanel"'],
      [{ publish: {}, info: {} }, "commands[1].info: is one too many"],
      [{}, "commands[1]: is empty: give one of publish, broadcast"],
      [{ batch: {} }, 'commands[1]: unknown field "batch"'],
      [{ publish: null }, "commands[1].publish: is nothing"],
      [null, "commands[1]: is nothing"],
      [[], "commands[1]: malformed JSON: expected an object"],
    ];
    for (const [second, message] of wrong) {
      const { status, body } = await bench.post("batch", { commands: [first, second] });
      expect([status, body]).toMatchObject([400, { error: { code: 107 } }]);
      expect((body as { error: { message: string } }).error.message).toContain(message);
    }
    expect(await bench.refusal("batch", { commands: [] })).toMatchObject({
      message: expect.stringContaining("commands"),
    });
    expect((await bench.hub.history("kept:a")).publications).toEqual([]);
  });
});

describe("calls that name their method themselves", () => {
  it("come one on each line, and are answered one on each line", async () => {
    await using bench = await apiBench({ channels: CHANNELS });
    const lines = [
      '{"method":"publish","params":{"channel":"kept:a","data":1}}',
      '{"params":{"channel":"kept:a","limit":1},"method":"history"}',
      '{"method":"nothing","params":{}}',
      '{"method":"channels"}',
      '{"method":"presence","params":{"channel":"news"}}',
    ];
    const { status, text } = await bench.post("", `${lines.join("\n")}\n`);
    expect(status).toBe(200);
    expect(text.split("\n").map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { result: { offset: 1 } },
      { result: { publications: [{ data: 1 }], offset: 1 } },
      { error: { code: 104, message: "not found" } },
      { result: { channels: {} } },
      { error: { code: 108 } },
    ]);
    for (const body of ["", "\n", "[]", '{"method":"publish","params":{"a":1}}', '{"methods":1}']) {
      expect((await bench.post("", body)).status).toBe(400);
    }
    expect((await bench.post("", `${lines[3]}\n`.repeat(1_025))).status).toBe(400);
  });
});
