import type { IncomingMessage } from "node:http";
import { parseEndpoint } from "@polywire/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { requestTarget } from "../src/upgrade.ts";

function target(url: string): ReturnType<typeof requestTarget> {
  return requestTarget({ url } as IncomingMessage);
}

test("every target is as canonical as the parser of listeners makes it", () => {
  const part = fc.constantFrom(
    "/",
    "a",
    ".",
    "..",
    "%2e",
    "%41",
    "~",
    "-",
    "?",
    "&",
    "=",
    "b c",
    "é",
    "\\",
    "//",
    "#",
    "%",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const url = `/${parts.join("")}`;
      const { path, query } = parseEndpoint(`ws://host${url}`);
      expect(target(url)).toEqual({ path, query });
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["/", { path: "/", query: "" }],
  ["/connection/websocket?format=protobuf", { path: "/connection/websocket", query: "format=protobuf" }],
  ["/a/../b/./c", { path: "/b/c", query: "" }],
  ["//evil/path", { path: "//evil/path", query: "" }],
  ["*", undefined],
  ["http://other/", undefined],
  [`/${"x".repeat(9_000)}`, undefined],
])("%s", (url, expected) => {
  expect(target(url)).toEqual(expected);
});
