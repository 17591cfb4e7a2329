import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./workspace.ts";

// The guide shows parts of the template, which is compiled and held against its laws: what it shows has to be in there.
const guide = readFileSync(join(root, "docs/write-a-protocol.md"), "utf8");
const blocks = [...guide.matchAll(/`(?<file>(?:src|test)\/[\w./-]+)`:\n\n```ts\n(?<code>[\s\S]*?)```/g)];

test("every block of TypeScript in the guide names the file that it is from", () => {
  expect(blocks.length).toBeGreaterThan(8);
  expect(guide.match(/^```ts$/gm)).toHaveLength(blocks.length);
});

for (const { groups: { file = "", code = "" } = {} } of blocks) {
  const [first = ""] = code.trim().split("\n");
  test(`the guide shows ${file} as it is: ${first.trim()}`, () => {
    expect(readFileSync(join(root, "packages/create-protocol/template", file), "utf8")).toContain(code);
  });
}

const documents = globSync(["*.md", "docs/*.md", "examples/**/*.md", "packages/*/README.md", "apps/*/README.md"], {
  cwd: root,
  exclude: ["**/node_modules/**"],
});

test.each(documents)("every link to a file in %s leads somewhere", (document) => {
  const text = readFileSync(join(root, document), "utf8");
  const targets = [...text.matchAll(/\]\((?!https?:|#)(?<target>[^)#\s]+)/g)].map(
    (match) => match.groups?.["target"] ?? "",
  );
  const missing = targets.filter((target) => !existsSync(join(root, dirname(document), target)));
  expect(missing).toEqual([]);
});
