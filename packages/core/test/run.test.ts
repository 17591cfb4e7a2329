import fc from "fast-check";
import { expect, test } from "vitest";
import type { FramedBytes } from "../src/index.ts";
import { Run } from "../src/wire/run.ts";
import { framed } from "./framed.ts";

function collected(run: Run): string {
  const buffers: Uint8Array[] = [];
  run.collect(buffers);
  return buffers.map((buffer) => new TextDecoder().decode(buffer)).join("");
}

test("the same messages in the same order are the same run", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 6 }), { maxLength: 12 }), (paths) => {
      const messages = ["a", "bc", "def", "ghij"].map(framed);
      const root = new Run(undefined, undefined);
      const runs = new Map<string, Run>();
      for (const path of paths) {
        let run = root;
        for (const index of path) run = run.append(messages[index] as FramedBytes);
        const text = path.map((index) => "a bc def ghij".split(" ")[index]).join("");
        expect(runs.get(path.join()) ?? run).toBe(run);
        runs.set(path.join(), run);
        expect(run.parts).toBe(path.length);
        expect(run.byteLength).toBe(text.length);
        expect(collected(run)).toBe(text);
      }
      expect(new Set(runs.values()).size).toBe(runs.size);
    }),
  );
});

test("joined bytes are made once", () => {
  const run = new Run(undefined, undefined).append(framed("one")).append(framed("two"));
  const first: Uint8Array[] = [];
  const second: Uint8Array[] = [];
  run.collect(first);
  run.collect(second);
  expect(first.length).toBe(1);
  expect(second[0]).toBe(first[0]);
});
