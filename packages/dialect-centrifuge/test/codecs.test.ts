import { expect, test } from "vitest";
import type { EncodingName, Layout } from "../src/codec.ts";
import { Codecs } from "../src/codecs.ts";
import type { CompleteOptions } from "../src/options.ts";

/* Lines once answered an event source in plain lines, and after one the lines got events: both shared the codec of the first. */
test("clients share a codec only if they are spoken to alike in every respect", () => {
  const codecs = new Codecs({} as CompleteOptions);
  const encodings: readonly EncodingName[] = ["json", "protobuf"];
  const layouts: readonly Layout[] = ["whole", "parted", "event"];
  const speeches = encodings.flatMap((encoding) =>
    layouts.flatMap((layout) => [false, true].map((isUnidirectional) => ({ encoding, layout, isUnidirectional }))),
  );
  const groups = speeches.map((speech) => codecs.group(speech));
  expect(new Set(groups).size).toBe(12);
  expect(speeches.map((speech) => codecs.group(speech))).toEqual(groups);
  for (const [index, { encoding }] of speeches.entries()) expect(groups[index]?.codec.name).toBe(encoding);
});
