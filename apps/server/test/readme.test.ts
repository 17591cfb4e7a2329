import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { variableFor } from "../src/config/environment.ts";
import { loadConfig } from "../src/config/load.ts";
import { SETTINGS } from "../src/config/schema.ts";

const readme = fs.readFileSync(path.join(import.meta.dirname, "../README.md"), "utf8");

test("the README's table has every key with its variable, default and meaning, and no other", () => {
  const code = (text: string): string => (text === "" ? "" : `\`${text}\``);
  const rows = SETTINGS.filter(({ key }) => !/\[\](\.url)?$/.test(key)).map((setting) => {
    const variable = setting.key.includes("[]") ? "" : variableFor(setting.key);
    return `| ${code(setting.key)} | ${code(variable)} | ${code(setting.default)} | ${setting.description} |`;
  });
  const table = readme.split("| key | variable | default | meaning |\n|---|---|---|---|\n")[1]?.split("\n\n")[0];
  expect(table?.split("\n")).toEqual(rows);
});

test("the README's limits are those of the configuration, with their defaults", () => {
  const table = readme.split("| key | default | at the limit |\n|---|---|---|\n")[1]?.split("\n\n")[0] ?? "";
  const rows = table.split("\n").map((row) => row.split(" | ").slice(0, 2).join(" | "));
  const timeouts = ["client.connectTimeout", "client.pongTimeout"];
  const limits = SETTINGS.filter(({ key }) => key.startsWith("limits.") || timeouts.includes(key));
  expect(rows.toSorted()).toEqual(limits.map((limit) => `| \`${limit.key}\` | \`${limit.default}\``).toSorted());
});

test("the README's configuration is valid, and its channels are the default ones", () => {
  const yaml = /```yaml\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "polywire-readme-")), "polywire.yaml");
  fs.writeFileSync(file, yaml);
  const { config } = loadConfig(file, {});
  const defaults = loadConfig(undefined, {}).config;
  expect(config).toEqual({ ...defaults, client: { ...defaults.client, allowedOrigins: ["https://app.example.com"] } });
  fs.rmSync(path.dirname(file), { recursive: true });
});
