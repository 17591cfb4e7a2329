import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./workspace.ts";

/** Packs a built package as a release does. Returns the tarball. */
export async function pack(folder: string, destination: string): Promise<string> {
  const { filename } = JSON.parse(await run(folder, "pnpm", "pack", "--json", "--pack-destination", destination));
  return filename;
}

/** Installs into a folder that holds nothing else, with plain npm. */
export async function install(folder: string, ...specs: string[]): Promise<void> {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run(folder, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", ...specs);
}
