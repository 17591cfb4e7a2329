import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { manifestOf, publishedFolders, root, run, scratchFolder } from "./workspace.ts";

const folders = publishedFolders();
const bench = "apps/bench";

test("a minor change raises every package to the same minor version, with a changelog, and never to a major", async () => {
  await using scratch = await scratchClone();
  const before = manifestOf("packages/core").version;
  await applyChangesets(scratch.path, { "@polywire/core": "minor" }, "core learns something");
  expect(versionsIn(scratch.path)).toEqual([nextMinor(before)]);

  await applyChangesets(scratch.path, { "@polywire/ws": "patch" }, "ws mends something");
  expect(versionsIn(scratch.path)).toEqual([nextMinor(before).replace(/\d+$/, "1")]);

  await applyChangesets(scratch.path, { "@polywire/realtime": "minor", "@polywire/core": "minor" }, "both learn");
  expect(versionsIn(scratch.path)).toEqual([nextMinor(nextMinor(before))]);

  const changelog = readFileSync(join(scratch.path, "packages/ws/CHANGELOG.md"), "utf8");
  expect(changelog).toMatch(/^# @polywire\/ws$/m);
  expect(changelog).toContain("ws mends something");
  expect(readFileSync(join(scratch.path, "packages/core/CHANGELOG.md"), "utf8")).toContain("core learns something");
});

test("the private bench keeps its version and gets no changelog", async () => {
  await using scratch = await scratchClone();
  await applyChangesets(scratch.path, { "@polywire/core": "minor" }, "core learns something");
  expect(manifestOf(bench, scratch.path).version).toBe(manifestOf(bench).version);
  expect(existsSync(join(scratch.path, bench, "CHANGELOG.md"))).toBe(false);
});

test("a packed plugin asks for the core of its own minor version", async () => {
  await using scratch = await scratchClone();
  await applyChangesets(scratch.path, { "@polywire/core": "minor" }, "core learns something");
  await run(scratch.path, "pnpm", "--dir", "packages/ws", "pack", "--pack-destination", scratch.path);
  const [tarball = ""] = globSync("*.tgz", { cwd: scratch.path });
  await run(scratch.path, "tar", "-xzf", tarball);
  const { version, peerDependencies } = manifestOf("package", scratch.path);
  expect(peerDependencies).toEqual({ "@polywire/core": `^${version}` });
});

test("the changesets that wait can be applied", async () => {
  await using scratch = await scratchClone({ keepChangesets: true });
  await run(scratch.path, "changeset", "version");
  expect(versionsIn(scratch.path)).toHaveLength(1);
});

/** The manifests and the changeset configuration of the workspace, committed in a repository of their own. */
async function scratchClone({ keepChangesets = false } = {}): Promise<{ path: string } & AsyncDisposable> {
  const scratch = await scratchFolder();
  for (const file of [
    "package.json",
    "pnpm-workspace.yaml",
    ".changeset",
    ...[...folders, bench].map((each) => `${each}/package.json`),
  ]) {
    cpSync(join(root, file), join(scratch.path, file), { recursive: true });
  }
  if (!keepChangesets) {
    for (const file of globSync(".changeset/*.md", { cwd: scratch.path })) rmSync(join(scratch.path, file));
  }
  await run(scratch.path, "git", "init", "--quiet", "--initial-branch=main");
  await commit(scratch.path);
  return scratch;
}

async function applyChangesets(workspace: string, bumps: Record<string, string>, summary: string): Promise<void> {
  const header = Object.entries(bumps).map(([name, bump]) => `"${name}": ${bump}`);
  writeFileSync(join(workspace, ".changeset/change.md"), ["---", ...header, "---", "", summary, ""].join("\n"));
  await commit(workspace);
  await run(workspace, "changeset", "version");
  await commit(workspace);
}

async function commit(workspace: string): Promise<void> {
  await run(workspace, "git", "add", "--all");
  await run(
    workspace,
    "git",
    "-c",
    "user.name=test",
    "-c",
    "user.email=test@example.org",
    "commit",
    "--quiet",
    "--message=state",
  );
}

/** The versions of all published packages, each once: one, as they share it. */
function versionsIn(workspace: string): string[] {
  return [...new Set(folders.map((folder) => manifestOf(folder, workspace).version))];
}

function nextMinor(version: string): string {
  const [major, minor] = version.split(".").map(Number);
  return `${major}.${(minor ?? 0) + 1}.0`;
}
