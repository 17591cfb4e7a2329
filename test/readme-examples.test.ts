import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publishedFolders, root, run } from "./workspace.ts";

/** READMEs whose first example does not run here, each with the reason. */
const elsewhere = new Map([
  ["apps/server", "is a command: its README shows the shell, and its own tests run the command"],
]);

// The first TypeScript block of a README is its example. A block without a language right after it is what it prints.
const example = /^```ts\n(?<code>[\s\S]*?)^```\n(?:\s*(?:[^\n`]*\n\s*)?^```(?:text)?\n(?<output>[\s\S]*?)^```)?/m;

for (const folder of publishedFolders().filter((each) => !elsewhere.has(each))) {
  test.concurrent(`the first example in the README of ${folder} runs and prints what it says`, async () => {
    const found = example.exec(readFileSync(join(root, folder, "README.md"), "utf8"));
    const { code, output } = found?.groups ?? {};
    if (code === undefined) throw new Error(`${folder}/README.md has no \`\`\`ts block`);

    const printed = await runInside(folder, code);

    expect(withoutTimes(printed)).toBe(withoutTimes(output ?? printed));
  });
}

/** Runs the code as a file of the package, so that its imports resolve as its own do. */
async function runInside(folder: string, code: string): Promise<string> {
  const file = join(root, folder, `.readme-example-${process.pid}.ts`);
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
