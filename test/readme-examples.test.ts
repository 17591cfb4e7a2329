import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publishedFolders, root, run } from "./workspace.ts";

/** READMEs whose first example does not run here, each with the reason. */
const elsewhere = new Map([
  ["apps/server", "is a command: its README shows the shell, and its own tests run the command"],
]);

// The first TypeScript block of a README is its example, and so is every further one with its output. A block without a
// language right after an example is what it prints.
const example = /^```ts\n(?<code>[\s\S]*?)^```\n(?:\s*(?:[^\n`]*\n\s*)?^```(?:text)?\n(?<output>[\s\S]*?)^```)?/gm;

interface Example {
  readonly code: string;
  readonly output: string | undefined;
}

for (const folder of publishedFolders().filter((each) => !elsewhere.has(each))) {
  const examples = examplesOf(folder);
  test(`the README of ${folder} has an example`, () => expect(examples).not.toEqual([]));
  for (const [index, { code, output }] of examples.entries()) {
    test.concurrent(`example ${index + 1} in the README of ${folder} runs and prints what it says`, async () => {
      const printed = await runInside(folder, code, index);

      expect(withoutTimes(printed)).toBe(withoutTimes(output ?? printed));
    });
  }
}

function examplesOf(folder: string): readonly Example[] {
  const readme = readFileSync(join(root, folder, "README.md"), "utf8");
  return [...readme.matchAll(example)]
    .map(({ groups = {} }) => ({ code: groups["code"] as string, output: groups["output"] }))
    .filter(({ output }, index) => index === 0 || output !== undefined);
}

/** Runs the code as a file of the package, so that its imports resolve as its own do. */
async function runInside(folder: string, code: string, index: number): Promise<string> {
  const file = join(root, folder, `.readme-example-${process.pid}-${index}.ts`);
  writeFileSync(file, code);
  try {
    return await run(join(root, folder), "node", "--conditions=@polywire/source", file);
  } finally {
    rmSync(file);
  }
}

function withoutTimes(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z?/g, "(time)").trimEnd();
}
