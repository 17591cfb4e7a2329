import type { Publication } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StreamRead } from "../src/index.ts";
import { retainedBytes, Stream } from "../src/stream.ts";

const HOUR_MS = 3_600_000;

function publication(offset: number, bytes: number = 1): Publication {
  return { data: new Uint8Array(bytes).fill(offset), format: "binary", offset };
}

const wide = { size: 1_000, ttlMs: HOUR_MS, metaTtlMs: HOUR_MS, maxBytes: 1_000_000 };
const all: StreamRead = {
  limit: 1_000,
  maxBytes: 1_000_000,
  sinceOffset: undefined,
  isReverse: false,
  metaTtlMs: HOUR_MS,
};

function filled(count: number): Stream {
  const stream = new Stream("epoch", { metaTtlMs: HOUR_MS, nowMs: 0 });
  for (let offset = 1; offset <= count; offset++) stream.append(publication(offset), wide, 0);
  return stream;
}

function offsets(stream: Stream, request: Partial<StreamRead>): (number | undefined)[] {
  return stream.read({ ...all, ...request }).publications.map(({ offset }) => offset);
}

describe("stream", () => {
  it("reads forward from a position and backward to one", () => {
    const stream = filled(5);
    expect(offsets(stream, {})).toEqual([1, 2, 3, 4, 5]);
    expect(offsets(stream, { isReverse: true })).toEqual([5, 4, 3, 2, 1]);
    expect(offsets(stream, { sinceOffset: 2 })).toEqual([3, 4, 5]);
    expect(offsets(stream, { sinceOffset: 2, limit: 2 })).toEqual([3, 4]);
    expect(offsets(stream, { sinceOffset: 3, isReverse: true })).toEqual([2, 1]);
    expect(offsets(stream, { sinceOffset: 5 })).toEqual([]);
    expect(offsets(stream, { sinceOffset: 108 })).toEqual([]);
    expect(offsets(stream, { sinceOffset: 108, isReverse: true, limit: 2 })).toEqual([5, 4]);
    expect(offsets(stream, { sinceOffset: 1, isReverse: true })).toEqual([]);
    expect(offsets(stream, { sinceOffset: 0, isReverse: true })).toEqual([]);
    expect(offsets(stream, { limit: 0 })).toEqual([]);
    expect(stream.read(all).position).toEqual({ offset: 5, epoch: "epoch" });
  });

  it("begins with the oldest there is when the asked one is gone", () => {
    const stream = filled(5);
    stream.dropOldest();
    stream.dropOldest();
    expect(offsets(stream, { sinceOffset: 0 })).toEqual([3, 4, 5]);
    expect(offsets(stream, { sinceOffset: 1, limit: 1 })).toEqual([3]);
    expect(offsets(stream, { isReverse: true })).toEqual([5, 4, 3]);
  });

  it("stops a page before its data exceed the limit, but never without a publication", () => {
    const stream = new Stream("epoch", { metaTtlMs: HOUR_MS, nowMs: 0 });
    for (const [index, bytes] of [100, 50, 50, 200].entries()) stream.append(publication(index + 1, bytes), wide, 0);
    expect(offsets(stream, { maxBytes: 200 })).toEqual([1, 2, 3]);
    expect(offsets(stream, { maxBytes: 199 })).toEqual([1, 2]);
    expect(offsets(stream, { maxBytes: 1 })).toEqual([1]);
    expect(offsets(stream, { maxBytes: 0, limit: 0 })).toEqual([]);
    expect(offsets(stream, { maxBytes: 249, isReverse: true })).toEqual([4]);
  });

  it("keeps top and epoch whatever becomes of the publications", () => {
    const stream = filled(5);
    stream.clear();
    expect(stream.position).toEqual({ offset: 5, epoch: "epoch" });
    expect([stream.count, stream.bytes]).toEqual([0, 0]);
    stream.append(publication(6), wide, 0);
    expect(offsets(stream, {})).toEqual([6]);
  });

  it("keeps nothing of a publication that alone is over the limit", () => {
    const stream = filled(2);
    stream.append(publication(3, 1_000), { ...wide, maxBytes: 500 }, 0);
    expect(offsets(stream, {})).toEqual([]);
    expect(stream.top).toBe(3);
  });

  it("counts what it keeps alive, not only data", () => {
    const bare = retainedBytes({ data: new Uint8Array(100), format: "json" });
    const tags = new Map([["name", "value"]]);
    const info = { client: "c", user: "u", connectionInfo: new Uint8Array(10), channelInfo: new Uint8Array(20) };
    expect(bare).toBeGreaterThan(100);
    expect(retainedBytes({ data: new Uint8Array(100), format: "json", tags, info })).toBe(bare + 30 + 18);
  });

  it("does what a plain list would do, page after page, however it is trimmed", () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant("publish" as const), value: fc.integer({ min: 0, max: 400 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), value: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), value: fc.constant(0) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("wait" as const), value: fc.integer({ min: 0, max: 120 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("use" as const), value: fc.constant(0) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("page" as const), value: fc.integer({ min: 1, max: 7 }) }),
      },
    );
    const options = fc.record({
      size: fc.integer({ min: 1, max: 12 }),
      ttlMs: fc.integer({ min: 1, max: 100 }),
      metaTtlMs: fc.integer({ min: 100, max: 300 }),
      maxBytes: fc.integer({ min: 300, max: 3_000 }),
    });
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 120 }), (limits, steps) => {
        let nowMs = 0;
        let epoch = 0;
        let stream = new Stream("0", { metaTtlMs: limits.metaTtlMs, nowMs });
        let model: Publication[] = [];
        let top = 0;
        let endsAtMs = Number.POSITIVE_INFINITY;
        let forgottenAtMs = nowMs + limits.metaTtlMs;
        const modelBytes = (): number => model.reduce((sum, one) => sum + retainedBytes(one), 0);
        for (const { kind, value } of steps) {
          if (kind === "wait") nowMs += value;
          if (nowMs >= forgottenAtMs) {
            model = [];
            top = 0;
            epoch++;
            forgottenAtMs = nowMs + limits.metaTtlMs;
          } else if (nowMs >= endsAtMs) model = [];
          expect(stream.expiresAtMs <= nowMs).toBe(stream.epoch !== String(epoch) || stream.count !== model.length);
          if (stream.expire(nowMs)) stream = new Stream(String(epoch), { metaTtlMs: limits.metaTtlMs, nowMs });
          if (kind === "publish") {
            top++;
            const one = publication(top, value);
            stream.append(one, limits, nowMs);
            model = [...model, one].slice(-limits.size);
            while (modelBytes() > limits.maxBytes) model = model.slice(1);
            endsAtMs = nowMs + limits.ttlMs;
            forgottenAtMs = nowMs + limits.metaTtlMs;
          } else if (kind === "clear") {
            stream.clear();
            model = [];
          } else if (kind === "drop") {
            stream.dropOldest();
            model = model.slice(1);
          } else if (kind === "use") {
            stream.use(limits.metaTtlMs, nowMs);
            forgottenAtMs = nowMs + limits.metaTtlMs;
          } else if (kind === "page") {
            expect(pages(stream, { limit: value, isReverse: false })).toEqual(model);
            expect(pages(stream, { limit: value, isReverse: true })).toEqual(model.toReversed());
            expect(pages(stream, { maxBytes: value * 60, isReverse: false })).toEqual(model);
          }
          expect(stream.position).toEqual({ offset: top, epoch: String(epoch) });
          expect(stream.count).toBe(model.length);
          expect(stream.bytes).toBe(modelBytes());
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Everything the stream keeps, read page by page. */
function pages(stream: Stream, request: Partial<StreamRead>): Publication[] {
  const seen: Publication[] = [];
  for (let sinceOffset: number | undefined; ; ) {
    const { publications } = stream.read({ ...all, ...request, sinceOffset });
    if (publications.length === 0) return seen;
    seen.push(...publications);
    sinceOffset = publications.at(-1)?.offset;
  }
}
