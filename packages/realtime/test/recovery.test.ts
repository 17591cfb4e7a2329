import { describe, expect, it } from "vitest";
import type { SubscribeResult } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

const CHANNEL = "news";
const HOUR_MS = 3_600_000;

interface Row {
  readonly name: string;
  readonly published: number;
  readonly size?: number;
  readonly limit?: number;
  readonly since: number;
  readonly epoch?: "own" | "none" | "other";
  /** History has run out of time before the client comes back. */
  readonly isExpired?: boolean;
  /** Position and all were forgotten before the client comes back. */
  readonly isForgotten?: boolean;
  readonly isRemoved?: boolean;
  readonly outboundBytes?: number;
  readonly recovered: boolean;
  readonly publications: number;
}

const rows: readonly Row[] = [
  { name: "nothing was ever published", published: 0, since: 0, recovered: true, publications: 0 },
  {
    name: "nothing published, no epoch known",
    published: 0,
    since: 0,
    epoch: "none",
    recovered: true,
    publications: 0,
  },
  { name: "two missed", published: 10, since: 8, recovered: true, publications: 2 },
  { name: "everything missed, all of it kept", published: 10, since: 0, recovered: true, publications: 10 },
  {
    name: "more missed than one recovery may have",
    published: 10,
    limit: 2,
    since: 5,
    recovered: false,
    publications: 0,
  },
  {
    name: "as many missed as one recovery may have",
    published: 10,
    limit: 5,
    since: 5,
    recovered: true,
    publications: 5,
  },
  { name: "one more than that", published: 11, limit: 5, since: 5, recovered: false, publications: 0 },
  { name: "the next one was trimmed", published: 20, since: 8, recovered: false, publications: 0 },
  { name: "the next one is the oldest kept", published: 20, since: 10, recovered: true, publications: 10 },
  { name: "the next one was trimmed just now", published: 20, since: 9, recovered: false, publications: 0 },
  { name: "a position of the future", published: 20, since: 108, recovered: false, publications: 0 },
  { name: "one past the top", published: 20, since: 21, recovered: false, publications: 0 },
  { name: "nothing missed", published: 7, since: 7, recovered: true, publications: 0 },
  { name: "from the start", published: 4, since: 0, recovered: true, publications: 4 },
  { name: "from the start, no epoch known", published: 4, since: 0, epoch: "none", recovered: true, publications: 4 },
  { name: "some missed, history expired", published: 10, since: 8, isExpired: true, recovered: false, publications: 0 },
  {
    name: "nothing missed, history expired",
    published: 1,
    since: 1,
    isExpired: true,
    recovered: true,
    publications: 0,
  },
  {
    name: "nothing missed, history removed",
    published: 3,
    since: 3,
    isRemoved: true,
    recovered: true,
    publications: 0,
  },
  { name: "some missed, history removed", published: 3, since: 2, isRemoved: true, recovered: false, publications: 0 },
  { name: "another epoch, same offset", published: 7, since: 7, epoch: "other", recovered: false, publications: 0 },
  { name: "another epoch, some after it", published: 7, since: 5, epoch: "other", recovered: false, publications: 0 },
  { name: "the stream was forgotten", published: 7, since: 7, isForgotten: true, recovered: false, publications: 0 },
  {
    name: "forgotten, and the client at 0",
    published: 7,
    since: 0,
    isForgotten: true,
    recovered: false,
    publications: 0,
  },
  { name: "as many as a recovery has", published: 300, since: 0, size: 1_000, recovered: true, publications: 300 },
  { name: "one more than a recovery has", published: 301, since: 0, size: 1_000, recovered: false, publications: 0 },
  {
    name: "as many as a recovery has, of more",
    published: 301,
    since: 1,
    size: 1_000,
    recovered: true,
    publications: 300,
  },
  {
    name: "more bytes than the queue takes",
    published: 9,
    since: 0,
    outboundBytes: 3_000,
    recovered: false,
    publications: 0,
  },
];

describe("recovery", () => {
  it.each(rows)("$name: $published published, since $since → recovered $recovered", async (row) => {
    const limits = {
      recoverySize: row.limit ?? 300,
      outboundBytesPerSession: row.outboundBytes ?? 4_194_304,
    };
    const history = { size: row.size ?? 10, ttlMs: 60_000, metaTtlMs: 24 * HOUR_MS };
    await using test = new TestHub({ channels: [{ match: "*", history, recovery: true }], limits });
    const data = Array.from({ length: row.published }, (_, index) => ({ n: index + 1 }));
    await test.publish(CHANNEL, ...data);
    const { position } = await test.wait(test.hub.history(CHANNEL, { limit: 0 }));
    expect(position.offset).toBe(row.published);
    if (row.isExpired === true) await test.advance(61_000);
    if (row.isRemoved === true) await test.wait(test.hub.removeHistory(CHANNEL));
    if (row.isForgotten === true) await test.advance(25 * HOUR_MS);
    const epoch = { own: position.epoch, none: "", other: "otherone" }[row.epoch ?? "own"];

    const since = { offset: row.since, epoch };
    const client = (await test.client()).subscribe(CHANNEL, { recover: true, since });
    await test.settle();
    const result = client.answerTo(`subscribe ${CHANNEL}`).result as SubscribeResult;
    expect(result).toMatchObject({
      isRecovered: row.recovered,
      wasRecovering: true,
      isRecoverable: true,
      isPositioned: true,
    });
    expect(result.publications.map(({ offset }) => offset)).toEqual(
      Array.from({ length: row.publications }, (_, index) => row.since + 1 + index),
    );
    const top = row.isForgotten === true ? 0 : row.published;
    expect(result.position?.offset).toBe(row.recovered ? row.since : top);

    // With the flag, the same request that is not recovered is refused and leaves no subscription behind.
    const strict = (await test.client()).subscribe(CHANNEL, { recover: true, since, rejectUnrecovered: true });
    await test.settle();
    expect(strict.answerTo(`subscribe ${CHANNEL}`).error).toBe(row.recovered ? undefined : 112);
    expect(test.hub.stats().subscriptions).toBe(row.recovered ? 2 : 1);

    // Whatever the answer was, what follows goes on from it without a gap.
    client.take();
    strict.take();
    await test.publish(CHANNEL, "next");
    expect(client.published).toEqual([top + 1]);
    expect(strict.published).toEqual(row.recovered ? [top + 1] : []);
  });

  it.each([
    ["just half", 0, true],
    ["one byte more than half", 1, false],
  ])("takes %s of what is free in the client's queue: recovered %s", async (_, tooMuch, isRecovered) => {
    const channels = [{ match: "*", history: { size: 10, ttlMs: 60_000 }, recovery: true }];
    await using test = new TestHub({ channels, limits: { outboundBytesPerSession: 100_000 } });
    await test.publish(CHANNEL, "x".repeat(998));
    // An envelope of 192 bytes goes with 1,000 of data.
    const client = await test.client();
    client.bufferedBytes = 100_000 - 2 * 1_192 + 2 * tooMuch;
    client.subscribe(CHANNEL, { recover: true, since: { offset: 0, epoch: "" } });
    await test.settle();
    const result = client.answerTo(`subscribe ${CHANNEL}`).result as SubscribeResult;
    expect([result.isRecovered, result.publications.length]).toEqual([isRecovered, isRecovered ? 1 : 0]);
  });

  it("cuts nobody off for recovering, however many channels at once, while nothing is read", async () => {
    const outboundBytesPerSession = 100_000;
    const channels = [{ match: "*", history: { size: 100, ttlMs: 60_000 }, recovery: true }];
    await using test = new TestHub({ channels, limits: { outboundBytesPerSession } });
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
    for (const name of names) await test.publish(name, ...Array<string>(10).fill("x".repeat(998)));
    const client = await test.client({ capacityBytes: outboundBytesPerSession });
    client.isReading = false;
    client.onTold = (told) => {
      if (told.kind !== "answer") return;
      for (const { data } of (told.result as SubscribeResult).publications) client.bufferedBytes += data.length;
    };
    for (const name of names) client.subscribe(name, { recover: true, since: { offset: 0, epoch: "" } });
    await test.settle();
    expect(client.bufferedBytes).toBeGreaterThan(outboundBytesPerSession / 2);
    expect(client.bufferedBytes).toBeLessThanOrEqual(outboundBytesPerSession);
    expect(test.hub.stats()).toMatchObject({ slowConsumers: 0, subscriptions: 40 });
    expect(test.hub.stats().recovered + test.hub.stats().unrecovered).toBe(40);
  });

  it("tells false after a restart, though the offset is the same", async () => {
    const channels = [{ match: "*", history: { size: 10, ttlMs: 60_000 }, recovery: true }];
    await using before = new TestHub({ channels });
    await before.publish(CHANNEL, 1, 2, 3);
    const { position } = await before.wait(before.hub.history(CHANNEL));
    await using after = new TestHub({ channels, random: Math.random });
    await after.publish(CHANNEL, "a", "b", "c");
    const client = (await after.client()).subscribe(CHANNEL, { recover: true, since: position });
    await after.settle();
    const result = client.answerTo(`subscribe ${CHANNEL}`).result as SubscribeResult;
    expect(result).toMatchObject({ isRecovered: false, publications: [] });
    expect(result.position?.epoch).not.toBe(position.epoch);
  });

  it("gives a channel without recovery no position and no false promise", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history: { size: 10, ttlMs: 60_000 } }] });
    await test.publish(CHANNEL, 1);
    const client = (await test.client()).subscribe(CHANNEL, { recover: true, since: { offset: 1, epoch: "" } });
    await test.settle();
    expect(client.answerTo(`subscribe ${CHANNEL}`).result).toEqual({
      isPositioned: false,
      isRecoverable: false,
      isRecovered: false,
      wasRecovering: true,
      publications: [],
    });
  });

  it("keeps the position of a client that asks for it, in a channel with history", async () => {
    await using test = new TestHub({ channels: [{ match: "*", history: { size: 10, ttlMs: 60_000 } }] });
    await test.publish(CHANNEL, 1, 2);
    const client = (await test.client())
      .subscribe(CHANNEL, { positioned: true })
      .subscribe("other", { recoverable: true });
    await test.settle();
    expect(client.answerTo(`subscribe ${CHANNEL}`).result).toMatchObject({
      isPositioned: true,
      isRecoverable: false,
      position: { offset: 2 },
    });
    expect(client.answerTo("subscribe other").result).toMatchObject({
      isPositioned: true,
      isRecoverable: true,
      position: { offset: 0 },
    });
  });

  it("shares the queue between the channels that one connect recovers", async () => {
    const history = { size: 100, ttlMs: 60_000 };
    await using test = new TestHub({
      channels: [
        { match: "a", kind: "broadcast", history, recovery: true },
        { match: "b", kind: "broadcast", history, recovery: true },
      ],
      limits: { outboundBytesPerSession: 10_000 },
    });
    const large = "x".repeat(2_500);
    await test.publish("a", large);
    await test.publish("b", large);
    const epochs = new Map<string, string>();
    for (const name of ["a", "b"]) epochs.set(name, (await test.wait(test.hub.history(name))).position.epoch);
    const subscriptions = new Map(
      [...epochs].map(([name, epoch]) => [name, { recover: true, since: { offset: 0, epoch } }]),
    );
    const client = test.newClient().connect({ subscriptions });
    await test.settle();
    const result = client.answerTo("connect").result as { subscriptions: Map<string, SubscribeResult> };
    expect(result.subscriptions.get("a")).toMatchObject({ isRecovered: true, publications: [{ offset: 1 }] });
    expect(result.subscriptions.get("b")).toMatchObject({ isRecovered: false, position: { offset: 1 } });
    expect(client.disconnectCode).toBe(undefined);
  });
});
