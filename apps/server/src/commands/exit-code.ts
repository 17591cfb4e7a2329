import { type ErrorCode, PolywireError } from "@polywire/core";
import { type CommandHost, EXIT_FAILED, EXIT_USAGE, oneError } from "../command-host.ts";

/** What whoever typed the command has to change. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set(["invalid-argument", "unknown-scheme", "unsupported"]);

/** Tells the error in one line; the exit code for it. */
export function fail(thrown: unknown, host: CommandHost): number {
  const error = PolywireError.from(thrown);
  host.error(oneError(error.message));
  return USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
}
