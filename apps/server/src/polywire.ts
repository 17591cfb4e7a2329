#!/usr/bin/env node
import { runCommand } from "./cli.ts";

// A reader that went away (`polywire --help | head`) is no reason to crash.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

process.exitCode = await runCommand(process.argv.slice(2), {
  environment: process.env,
  signals: process,
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  exit: (code) => process.exit(code),
});
