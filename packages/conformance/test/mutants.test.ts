import { expect, test } from "vitest";
import { type Law, laws, type Subject } from "../src/index.ts";
import { exchangeMutants } from "./exchange-mutants.ts";
import { linkMutants } from "./link-mutants.ts";
import { faulty } from "./mutant.ts";

/** Memory is fast: what has not happened in a fraction of the time will not happen. */
const PATIENCE = 0.06;

const mutants = [...linkMutants, ...exchangeMutants];

for (const { does, breaks, says, fault } of mutants) {
  test(`a protocol that ${does} breaks the law "${breaks}"`, async () => {
    const law = lawsOf(faulty(fault)).find(({ name }) => name === breaks);
    expect(law, "no law has this name").toBeDefined();
    await expect(law?.run()).rejects.toThrow(says);
  });
}

test("every law is broken by a mutant", () => {
  const subjects = [faulty({}), faulty({ kind: "datagram" })];
  const all = new Set(subjects.flatMap((subject) => lawsOf(subject).map(({ name }) => name)));
  const broken = new Set(mutants.map(({ breaks }) => breaks));
  expect([...all].filter((name) => !broken.has(name))).toEqual([]);
});

function lawsOf(subject: Subject): readonly Law[] {
  return laws({ ...subject, patience: PATIENCE });
}
