import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

test("the README's example prints what the README shows", () => {
  const readme = fs.readFileSync(path.join(import.meta.dirname, "../README.md"), "utf8");
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const shown = /```\n(\[2026.*?)```/s.exec(readme)?.[1] ?? "";
  const file = path.join(import.meta.dirname, `readme-example-${process.pid}.ts`);
  fs.writeFileSync(file, example);
  try {
    const printed = execFileSync(process.execPath, ["--conditions", "@polywire/source", file], { encoding: "utf8" });
    expect(printed.replace(/^\[[^\]]+\]/, "")).toBe(shown.replace(/^\[[^\]]+\]/, ""));
    expect(printed).toMatch(/^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\] INFO/);
  } finally {
    fs.rmSync(file);
  }
});
