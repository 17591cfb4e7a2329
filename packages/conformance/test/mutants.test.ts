import { expect, test } from "vitest";
import { laws } from "../src/index.ts";
import { exchangeMutants } from "./exchange-mutants.ts";
import { linkMutants } from "./link-mutants.ts";
import { faulty } from "./mutant.ts";

/** Memory is fast: what a law waits for in vain has not come in a tenth of the time. */
const SHORT_PATIENCE = 0.1;

const mutants = [...linkMutants, ...exchangeMutants];

for (const { does, breaks, says, fault } of mutants) {
  test(`a protocol that ${does} breaks the law "${breaks}"`, { timeout: 20_000 }, async () => {
    const patience = says.source.includes("in vain") ? SHORT_PATIENCE : 1;
    const law = laws({ ...faulty(fault), patience }).find(({ name }) => name === breaks);
    expect(law, "no law has this name").toBeDefined();
    await expect(law?.run()).rejects.toThrow(says);
  });
}

test("every law is broken by a mutant", () => {
  const plain = faulty({ kind: "datagram", traits: (traits) => ({ ...traits, handshake: false }) });
  const subjects = [faulty({}), faulty({ kind: "datagram" }), plain];
  const all = new Set(subjects.flatMap((subject) => laws(subject).map(({ name }) => name)));
  const broken = new Set(mutants.map(({ breaks }) => breaks));
  expect([...all].filter((name) => !broken.has(name))).toEqual([]);
});
