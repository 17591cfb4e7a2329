import { readFileSync } from "node:fs";
import { kindOf } from "./values.ts";

const SHOWN = "[redacted]";
const MAX_CHARACTERS = 16_384;

/** A text that is shown nowhere: not as JSON, not in a message, not in a log. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for whoever needs it to work with. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }
}

/** Reads a secret out of a configuration. Whatever it is, no error repeats it. */
export function readSecret(raw: unknown): Secret {
  if (typeof raw !== "string") throw new Error(`must be a text, not ${kindOf(raw)}`);
  if (raw === "") throw new Error("is empty");
  if (raw.length > MAX_CHARACTERS) throw new Error(`is longer than ${MAX_CHARACTERS} characters`);
  return new Secret(raw);
}

/**
 * What is in a file of secrets, without the line end that editors put there.
 *
 * @throws Error with a sentence for people, which repeats nothing of it.
 */
export function readSecretFile(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : code === "EACCES" ? "not readable: check its permissions" : code;
    throw new Error(`${file}: ${why}`, { cause: thrown });
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new Error(`${file}: is empty`);
  return secret;
}
