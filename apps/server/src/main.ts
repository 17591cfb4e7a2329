import { runCommand } from "./cli.ts";
import { clientProtocols } from "./commands/protocols.ts";

const EXIT_DELAY_MS = 1_000;

// A reader that went away (`polywire --help | head`) is no reason to crash.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

process.exitCode = await runCommand(process.argv.slice(2), {
  environment: process.env,
  signals: process,
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  exit: (code) => process.exit(code),
  // A getter: whoever touches the standard input holds the process.
  get input() {
    return process.stdin;
  },
  output: process.stdout,
  protocols: clientProtocols,
});

// Everything is closed by now; if anything else still holds the process, it does not hold it for long.
setTimeout(() => process.exit(), EXIT_DELAY_MS).unref();
