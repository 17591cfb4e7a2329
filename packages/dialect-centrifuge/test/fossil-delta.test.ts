import { Centrifuge } from "centrifuge";
import { array, assert, nat, property, string, tuple } from "fast-check";
import { expect, it } from "vitest";
import { fossilDelta } from "../src/fossil-delta.ts";

const encoder = new TextEncoder();

/** The decoder of the official SDK, which applies a patch as a subscription does. */
const { _codec: sdk } = new Centrifuge("ws://127.0.0.1:1") as unknown as {
  readonly _codec: {
    applyDeltaIfNeeded(pub: { data: string; delta: boolean }, previous: Uint8Array): { readonly newData: unknown };
  };
};

/** What the SDK makes of the patch, after a journey through JSON; the target itself where there is no patch. */
function applied(source: string, target: string): string {
  const previous = encoder.encode(JSON.stringify(source));
  const patch = fossilDelta(previous, encoder.encode(JSON.stringify(target)));
  if (patch === undefined) return target;
  const text = new TextDecoder("utf-8", { fatal: true }).decode(patch);
  return sdk.applyDeltaIfNeeded({ data: text, delta: true }, previous).newData as string;
}

/** A text and what became of it by some edits; most of it stays. */
const edited = tuple(
  string({ unit: "binary", minLength: 0, maxLength: 400 }),
  array(tuple(nat(), nat({ max: 40 }), string({ unit: "binary", maxLength: 30 })), { maxLength: 6 }),
).map(([base, edits]) => {
  const source = base.repeat(3);
  let target = source;
  for (const [place, removed, added] of edits) {
    const characters = Array.from(target);
    characters.splice(place % (characters.length + 1), removed, added);
    target = characters.join("");
  }
  return [source, target] as const;
});

it("the SDK makes the target of every patch, characters of several bytes included", () => {
  assert(
    property(
      edited,
      ([source, target]) => applied(source.toWellFormed(), target.toWellFormed()) === target.toWellFormed(),
    ),
    { numRuns: 2_000 },
  );
});

it("a small change of a long Cyrillic text takes a small patch", () => {
  const words = Array.from({ length: 200 }, (_, index) => `слово ${index} и ещё`).join(", ");
  const source = encoder.encode(words);
  const target = encoder.encode(words.replace("слово 57", "глава 57").replace("слово 143", "дело 143"));
  expect(fossilDelta(source, target)?.length).toBeLessThan(100);
});

it("no patch is made where it would be no shorter", () => {
  expect(fossilDelta(encoder.encode('{"a":1}'), encoder.encode('{"a":2}'))).toBeUndefined();
  const random = (seed: number) => encoder.encode(Array.from({ length: 300 }, (_, i) => Math.sin(seed + i)).join(""));
  expect(fossilDelta(random(1), random(5_000))?.length ?? 0).toBeLessThan(random(5_000).length);
});

/** The bytes, and how often one of them was looked at. */
function counted(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly looks: () => number } {
  let looks = 0;
  const watched = new Proxy(bytes, {
    get(target, name) {
      if (typeof name === "string" && /^\d/.test(name)) looks++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { bytes: watched, looks: () => looks };
}

it("a text made to be compared again and again is given up on: each of its bytes is looked at 16 times at most", () => {
  const hostile = (end: string) => encoder.encode(`${"a".repeat(1_000)}${end}`.repeat(50));
  for (const source of [encoder.encode("a".repeat(50_000)), hostile("c")]) {
    const target = counted(hostile("b"));
    fossilDelta(source, target.bytes);
    // Eight comparisons, and what it takes to hash, copy and sum up; without the bound it is some 500.
    expect(target.looks() / target.bytes.length).toBeLessThan(16);
  }
});
