import { statSync } from "node:fs";
import { type Clock, type Logger, PolywireError } from "@polywire/core";
import { readApiKeyFile } from "./config/api.ts";

/** How often it is looked at, at most. */
const LOOK_INTERVAL_MS = 1_000;

/** Keys in a file, read again when it changes: so they are changed without a restart. A file that is no good changes nothing. */
export class ApiKeyFile {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #keys: readonly string[];
  #version: string;
  #nextLookMs: number;

  /** @throws Error with a sentence for people. */
  constructor(file: string, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#file = file;
    this.#clock = clock;
    this.#logger = logger;
    this.#version = versionOf(file);
    this.#keys = readApiKeyFile(file);
    this.#nextLookMs = clock.now() + LOOK_INTERVAL_MS;
  }

  /** The same array until the file changes. */
  get keys(): readonly string[] {
    if (this.#clock.now() >= this.#nextLookMs) this.#look();
    return this.#keys;
  }

  #look(): void {
    this.#nextLookMs = this.#clock.now() + LOOK_INTERVAL_MS;
    try {
      const version = versionOf(this.#file);
      if (version === this.#version) return;
      this.#version = version;
      this.#keys = readApiKeyFile(this.#file);
      this.#logger.log("info", "api", "keys were read again", { file: this.#file, keys: this.#keys.length });
    } catch (thrown) {
      const error = PolywireError.from(thrown, "invalid-argument");
      this.#logger.log("warn", "api", "keys cannot be read again: those from before stay", { error });
    }
  }
}

/** What differs when the file was written or put in place. */
function versionOf(file: string): string {
  const { ino, mtimeMs, size } = statSync(file);
  return `${ino} ${mtimeMs} ${size}`;
}
