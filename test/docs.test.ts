import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./workspace.ts";

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

// The guide shows parts of the template, which is compiled and held against its laws, and of packages: what it shows has to be in there.
const guide = read("docs/write-a-protocol.md");
const blocks = [...guide.matchAll(/^`(?<file>[\w./-]+)`:\n\n```(?:ts|json)\n(?<code>[\s\S]*?)```/gm)];

/** Where the file of a block is: a package's, or the template's. */
function sourceOf(file: string): string {
  if (file.startsWith("packages/")) return file;
  return `packages/create-protocol/template/${file === "package.json" ? "manifest.json" : file}`;
}

test("every block of code in the guide names the file that it is from", () => {
  expect(blocks.length).toBeGreaterThan(15);
  expect(guide.match(/^```(?!sh$)\w+$/gm)).toHaveLength(blocks.length);
});

for (const [index, { groups: { file = "", code = "" } = {} }] of blocks.entries()) {
  const [first = ""] = code.trim().split("\n");
  test(`block ${index + 1} of the guide shows ${file} as it is: ${first.trim()}`, () => {
    // The range is the one thing that the command fills in.
    expect(read(sourceOf(file))).toContain(code.replace('"^0.3.1"', '"POLYWIRE_RANGE"'));
  });
}

/** The first cells of the table under a heading of the guide. */
function firstCells(heading: string): string[] {
  const section = guide.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const rows = [...section.matchAll(/^\| (?<first>.+?) \|/gm)].map(({ groups }) => groups?.["first"] ?? "");
  return rows.slice(1);
}

/** The names in backticks. */
function namesIn(cells: readonly string[]): string[] {
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
}

test("the guide knows every trait, and no other", () => {
  const traits = /export interface Traits \{(?<body>[\s\S]*?)^\}/m.exec(read("packages/core/src/contract/link.ts"));
  const names = [...(traits?.groups?.["body"] ?? "").matchAll(/^ {2}readonly (\w+):/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(5);
  expect(namesIn(firstCells("Say what the wire promises"))).toEqual(names);
});

test("core exports everything that the guide says it gives", () => {
  const exported = read("packages/core/api.txt").split("\n\n")[0] ?? "";
  const names = namesIn(firstCells("What core gives you"));
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !exported.includes(`  value ${name}\n`))).toEqual([]);
});

test("the kit says what the guide says it says", () => {
  const kit = globSync("packages/conformance/src/**/*.ts", { cwd: root }).map(read).join("\n");
  const said = firstCells("Common mistakes");
  expect(said.length).toBeGreaterThan(10);
  expect(said.filter((words) => !kit.includes(words))).toEqual([]);
});

// The other guide shows an example whole, for readers who copy it into an empty folder.
const chatGuide = read("docs/private-chat.md");
const chatFiles = ["polywire.yaml", "backend.ts", "public/index.html", "public/chat.js"];

test.each(chatFiles)("the guide to a private chat shows %s whole, as it is in the example", (file) => {
  const code = chatGuide.split(`\n\`${file}\`:\n\n`)[1]?.split("```")[1];
  expect(code?.replace(/^\w+\n/, "")).toBe(read(`examples/private-chat/${file}`));
});

test("the guide to a private chat shows every file that its example has, besides the workspace's own", () => {
  const own = ["README.md", "package.json", "tsconfig.json", "turbo.json"];
  const files = globSync("examples/private-chat/{*.*,public/*}", {
    cwd: root,
    exclude: ["**/node_modules", "**/*.key"],
  });
  const shown = files.map((file) => file.replace("examples/private-chat/", "")).filter((file) => !own.includes(file));
  expect(shown.toSorted()).toEqual(chatFiles.toSorted());
});

const documents = globSync(["*.md", "docs/*.md", "examples/**/*.md", "packages/*/README.md", "apps/*/README.md"], {
  cwd: root,
  exclude: ["**/node_modules/**"],
});

test.each(documents)("every link in %s leads somewhere", (document) => {
  const targets = [...read(document).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?/g)];
  const missing = targets.filter(([, target, heading]) => {
    const file = target ? join(dirname(document), target) : document;
    return !existsSync(join(root, file)) || (heading !== undefined && !hasHeading(file, heading));
  });
  expect(missing.map(([link]) => link)).toEqual([]);
});

test("the dialect's README names the versions of the SDKs that tests run", () => {
  const readme = read("packages/dialect-centrifuge/README.md");
  const named = [...readme.matchAll(/^\| \w+, \[`(?<sdk>[\w-]+)`\]\(\S+\) \| (?<version>[\d.]+) \|/gm)];
  const [, python] = /^centrifuge-python==(\S+)/m.exec(read("apps/server/test/sdks/python/requirements.txt")) ?? [];
  const [, go] = /centrifuge-go v(\S+)/.exec(read("apps/server/test/sdks/go/go.mod")) ?? [];
  const javaScript = JSON.parse(read("packages/dialect-centrifuge/package.json")).devDependencies.centrifuge;
  expect(named.map(({ groups }) => [groups?.["sdk"], groups?.["version"]])).toEqual([
    ["centrifuge", javaScript],
    ["centrifuge-python", python],
    ["centrifuge-go", go],
  ]);
});

/** Whether a document has a heading with this anchor, as GitHub makes them. */
function hasHeading(document: string, anchor: string): boolean {
  const headings = [...read(document).matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text);
  return headings.some(
    (text) =>
      text
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-") === anchor,
  );
}
