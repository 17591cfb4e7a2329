import { memory } from "@polywire/core/memory";
import { describe, test } from "vitest";
import { laws } from "../src/index.ts";

for (const kind of ["message", "stream", "datagram"] as const) {
  describe(`memory of kind ${kind}`, () => {
    const subject = {
      protocol: () => memory({ kind }),
      url: "memory://conformance:0/laws",
      offering: (subprotocols: readonly string[]) => ({ subprotocols }),
    };
    for (const law of laws(subject)) test(law.name, { timeout: law.timeoutMs }, () => law.run());
  });
}
