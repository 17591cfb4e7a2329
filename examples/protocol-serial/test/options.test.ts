import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEndpoint } from "@polywire/core";
import { socketPathOf } from "../src/options.ts";

const WRONG: readonly (readonly [string, RegExp])[] = [
  ["serial:", /names no socket: write it like serial:\/run\/line-1/],
  ["serial://host/run/line-1", /names no socket/],
  ["serial:/run/line-1?baud=9600", /names no socket/],
  ["serial:/run/", /names no socket/],
  ["serial:/run/%zz", /names no socket/],
  ["serial:/run/%00", /names no socket/],
  [`serial:/run/${"a".repeat(99)}`, /is over 103 bytes/],
];

test("a URL is the path of a socket, its escapes undone", () => {
  assert.equal(socketPathOf(parseEndpoint("serial:/run/a%20line")), "/run/a line");
  assert.equal(socketPathOf(parseEndpoint(`serial:/run/${"a".repeat(98)}`)).length, 103);
});

for (const [url, message] of WRONG) {
  test(`${url.slice(0, 30)} is refused with what to write instead`, () => {
    assert.throws(() => socketPathOf(parseEndpoint(url)), { code: "invalid-argument", message });
  });
}

test("there are no options, and one that is given is named", () => {
  assert.throws(() => socketPathOf(parseEndpoint("serial:/run/line-1", { baud: 9_600 })), {
    code: "invalid-argument",
    message: /"baud"/,
  });
});
