import { AssertionError } from "node:assert/strict";
import { expect, test } from "vitest";
import { answerDefects } from "./answer-defects.ts";
import { deliveryDefects } from "./delivery-defects.ts";
import { tokenDefects } from "./token-defects.ts";
import { circumstances } from "./transports.ts";
import { assertLaw } from "./wire-law.ts";
import { wireLaws } from "./wire-laws.ts";

/** Silence breaks a law too; it need not take long to be sure of it. */
const PATIENCE_MS = 250;

for (const { does, breaks, ...defect } of [...answerDefects, ...deliveryDefects, ...tokenDefects]) {
  test.each(circumstances)(
    `a server that ${does} breaks a law over $transport.name, in $encoding.name`,
    { timeout: 30_000 },
    async ({ transport, encoding }) => {
      const law = wireLaws.find(({ name }) => name === breaks);
      if (law === undefined) throw new Error(`there is no law "${breaks}"`);
      await expect(assertLaw(law, { transport, encoding, defect, patienceMs: PATIENCE_MS })).rejects.toBeInstanceOf(
        AssertionError,
      );
    },
  );
}
