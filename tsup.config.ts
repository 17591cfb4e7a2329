import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

interface Manifest {
  exports?: Record<string, string | { "@polywire/source": string }>;
  bin?: Record<string, string>;
}

/** JavaScript for the package it runs in, one file for each entry point and command. Types come from `tsc`: it is faster at them. */
const config: ReturnType<typeof defineConfig> = defineConfig(() => {
  const { exports = {}, bin = {} }: Manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const modules = Object.values(exports).filter((target) => typeof target !== "string");
  const commands = Object.values(bin).map((file) => file.replace("/dist/", "/src/").replace(/\.js$/, ".ts"));
  return {
    entry: [...modules.map((conditions) => conditions["@polywire/source"]), ...commands],
    format: "esm",
    target: "node22",
    sourcemap: true,
    clean: true,
    dts: false,
    removeNodeProtocol: false,
  };
});

export default config;
