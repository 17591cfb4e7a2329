import type { Readable, Writable } from "node:stream";
import type { AnyProtocol } from "@polywire/core";
import type { Environment } from "./config/environment.ts";
import type { SignalSource } from "./signals.ts";

/** Bad usage, a bad configuration, or an address that cannot be bound. */
export const EXIT_USAGE = 2;
/** A connection that could not be made or was cut off, or a request that was refused. */
export const EXIT_FAILED = 1;

/** What a command reaches of its process. */
export interface CommandHost {
  readonly environment: Environment;
  readonly signals: SignalSource;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
  /** What is piped or typed in. */
  readonly input: Readable;
  /** Where data goes; `out` ends up there, too. */
  readonly output: Writable;
  /** The wires that commands can dial. */
  readonly protocols: () => readonly AnyProtocol[];
}

/** An error is one line, and says whose it is. */
export function oneError(text: string): string {
  return oneLine(text.trim().replace(/^error: /, ""));
}

/** What is told besides data is one line, too. */
export function oneLine(text: string): string {
  return `polywire: ${text.trim().replace(/\s*\n\s*/g, " ")}\n`;
}
