import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pack } from "./tarballs.ts";
import { root, run, scratchFolder } from "./workspace.ts";

test("the packed polywire command says what Node it needs before it imports anything", async () => {
  await using scratch = await scratchFolder();
  await run(root, "turbo", "run", "build", "--filter=@polywire/server", "--output-logs=errors-only");
  const tarball = await pack(join(root, "apps/server"), scratch.path);
  await run(scratch.path, "tar", "-xzf", tarball);
  const { bin } = JSON.parse(readFileSync(join(scratch.path, "package/package.json"), "utf8"));
  const file = join(scratch.path, "package", bin.polywire);
  expect(readFileSync(file, "utf8")).not.toMatch(/^\s*(?:import|export)\b(?!\s*\()/m);

  // Nothing that it would import is installed here.
  const older = `Object.defineProperty(process.versions, "node", { value: "20.20.2" })`;
  const preload = `data:text/javascript,${encodeURIComponent(older)}`;
  const { status, stderr } = spawnSync(join(root, "node_modules/node/bin/node"), ["--import", preload, file], {
    encoding: "utf8",
  });
  expect(stderr).toMatch(/^polywire: needs Node 22\.19 or later, and this is 20\.20\.2 .*\n$/);
  expect(status).toBe(2);
});
