import { describe, it } from "vitest";
import { circumstances } from "./transports.ts";
import { assertLaw } from "./wire-law.ts";
import { wireLaws } from "./wire-laws.ts";

describe.each(circumstances)("over $transport.name, in $encoding.name", ({ transport, encoding }) => {
  it.each(wireLaws)("$name", { timeout: 30_000 }, async (law) => {
    await assertLaw(law, { transport, encoding });
  });
});
