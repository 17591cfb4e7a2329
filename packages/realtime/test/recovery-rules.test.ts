import type { Publication } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { judge } from "../src/position-gate.ts";
import { isComplete, merge } from "../src/recovery.ts";
import { fitting, wireBytes } from "../src/wire-size.ts";

function publications(...offsets: readonly number[]): Publication[] {
  return offsets.map((offset) => ({ data: new Uint8Array(1), format: "json", offset }));
}

function page(top: number, ...offsets: readonly number[]): Parameters<typeof isComplete>[1] {
  return { publications: publications(...offsets), position: { offset: top, epoch: "e" } };
}

describe("the position gate", () => {
  it.each([
    { known: { offset: 3, epoch: "e" }, offset: 4, epoch: "e", verdict: "deliver" },
    { known: { offset: 3, epoch: "e" }, offset: 5, epoch: "e", verdict: "insufficient" },
    { known: { offset: 3, epoch: "e" }, offset: 3, epoch: "e", verdict: "drop" },
    { known: { offset: 3, epoch: "e" }, offset: 1, epoch: "e", verdict: "drop" },
    { known: { offset: 3, epoch: "e" }, offset: 4, epoch: "f", verdict: "insufficient" },
    { known: { offset: 3, epoch: "e" }, offset: 1, epoch: "f", verdict: "insufficient" },
    { known: { offset: 3, epoch: "e" }, offset: 4, epoch: undefined, verdict: "insufficient" },
    { known: { offset: 0, epoch: "" }, offset: 1, epoch: "f", verdict: "deliver" },
    { known: { offset: 0, epoch: "" }, offset: 2, epoch: "f", verdict: "insufficient" },
  ])("at $known.offset of $known.epoch, $offset of $epoch: $verdict", ({ known, offset, epoch, verdict }) => {
    expect(judge(known, offset, epoch)).toBe(verdict);
  });
});

describe("recovery rules", () => {
  it("call a page complete only from the very next publication to the top", () => {
    expect(isComplete({ offset: 2, epoch: "e" }, page(4, 3, 4))).toBe(true);
    expect(isComplete({ offset: 2, epoch: "e" }, page(5, 3, 4))).toBe(false);
    expect(isComplete({ offset: 1, epoch: "e" }, page(4, 3, 4))).toBe(false);
    expect(isComplete({ offset: 2, epoch: "e" }, page(5, 3, 5))).toBe(false);
    expect(isComplete({ offset: 2, epoch: "f" }, page(4, 3, 4))).toBe(false);
    expect(isComplete({ offset: 2, epoch: "" }, page(4, 3, 4))).toBe(true);
    expect(isComplete({ offset: 4, epoch: "e" }, page(4))).toBe(true);
    expect(isComplete({ offset: 3, epoch: "e" }, page(4))).toBe(false);
  });

  it("merge what was read with what came live, each once, and notice a hole", () => {
    const offsets = (merged: readonly Publication[] | undefined): unknown => merged?.map(({ offset }) => offset);
    expect(offsets(merge(4, publications(3, 4), []))).toEqual([3, 4]);
    expect(offsets(merge(4, publications(3, 4), publications(4, 5, 6)))).toEqual([3, 4, 5, 6]);
    expect(offsets(merge(4, publications(3, 4), publications(6, 5, 5)))).toEqual([3, 4, 5, 6]);
    expect(offsets(merge(4, [], publications(2, 3)))).toEqual([]);
    expect(merge(4, publications(3, 4), publications(6))).toBe(undefined);
    expect(merge(4, publications(3, 4), publications(5, 7))).toBe(undefined);
  });

  it("cut what does not fit, but for the first", () => {
    const three = publications(1, 2, 3);
    const [, second] = three;
    const bytes = wireBytes(three) / 3;
    expect(fitting(three, bytes * 3)).toBe(three);
    expect(fitting(three, bytes * 3 - 1)).toEqual([three[0], second]);
    expect(fitting(three, 0)).toEqual([three[0]]);
    expect(fitting([], 0)).toEqual([]);
  });

  it("count a third more for binary data, and what surrounds all data", () => {
    const data = new Uint8Array(300);
    const plain = wireBytes([{ data, format: "json" }]);
    expect(plain).toBeGreaterThan(300);
    expect(wireBytes([{ data, format: "binary" }])).toBe(plain + 100);
    const info = { client: "c", user: "u", connectionInfo: new Uint8Array(50) };
    expect(wireBytes([{ data, format: "json", info, tags: new Map([["ab", "cd"]]) }])).toBe(plain + 55);
  });
});
