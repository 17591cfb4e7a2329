import type { IncomingMessage } from "node:http";
import { parseEndpoint } from "@polywire/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { requestTarget } from "../src/upgrade.ts";

function parsed(target: string): { path: string; query: string } | undefined {
  try {
    const { path, query } = parseEndpoint(`ws://host${target}`);
    return { path, query };
  } catch {
    return undefined;
  }
}

test("a target that needs no parsing is what parsing makes of it", () => {
  const part = fc.constantFrom(..."/?#%&=._-~aZ09: @[]\\|^`{}<>\"'é\u0000\t", "%2e", "..", "//", "%zz", "a/b", "x=y");
  const property = fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
    const target = `/${parts.join("")}`;
    expect(requestTarget({ url: target } as IncomingMessage)).toEqual(parsed(target));
  });
  fc.assert(property, { numRuns: 1_000 });
});
