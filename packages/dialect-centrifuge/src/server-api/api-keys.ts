import { createHash, timingSafeEqual } from "node:crypto";
import { checkFunctionOption, type Headers, PolywireError } from "@polywire/core";

/** Shorter ones can be guessed. */
const MIN_KEY_LENGTH = 16;
const MAX_KEY_LENGTH = 1_024;

/** What a header can hold, without what separates lists of them: RFC 9110, section 5.5. */
const KEY = /^[\x21-\x2b\x2d-\x7e]+$/;

const AUTHORIZATION = /^apikey +(\S+) *$/i;

/**
 * The keys that callers may show, each as good as the others: with several at a time they can be changed one after the other. A
 * function is asked at every call, for keys that change while the program runs.
 */
export type ApiKeySource = readonly string[] | (() => readonly string[]);

/** Judges callers by the key that comes with a call, in a header or in metadata. */
export class ApiKeys {
  readonly #source: () => readonly string[];
  #keys: readonly string[] = [];
  #digests: readonly Buffer[] = [];

  /** @throws PolywireError `invalid-argument`, without any key in it. */
  constructor(source: ApiKeySource) {
    if (Array.isArray(source)) {
      if (source.length === 0) throw new PolywireError("invalid-argument", "keys is empty: give at least one");
      for (const [index, key] of source.entries()) checkApiKey(`keys[${index}]`, key);
      const keys = [...source] as readonly string[];
      this.#source = () => keys;
    } else {
      checkFunctionOption("keys", source);
      this.#source = source as () => readonly string[];
    }
  }

  /** Takes the same time whichever key it is, or nearly is. */
  allows(headers: Headers | undefined): boolean {
    const given = keyOf(headers);
    if (given === undefined || given.length > MAX_KEY_LENGTH) return false;
    const digest = digestOf(given);
    let isKnown = false;
    for (const known of this.#known()) isKnown = timingSafeEqual(known, digest) || isKnown;
    return isKnown;
  }

  #known(): readonly Buffer[] {
    const keys = this.#source();
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#digests = keys.map(digestOf);
    }
    return this.#digests;
  }
}

/** @throws PolywireError `invalid-argument`, without the key in it. */
export function checkApiKey(name: string, key: unknown): asserts key is string {
  const refuse = (problem: string): PolywireError => new PolywireError("invalid-argument", `${name} ${problem}`);
  if (typeof key !== "string") throw refuse("is no text");
  if (key.length < MIN_KEY_LENGTH || key.length > MAX_KEY_LENGTH) {
    throw refuse(`has ${key.length} characters: give ${MIN_KEY_LENGTH} to ${MAX_KEY_LENGTH} that cannot be guessed`);
  }
  if (!KEY.test(key)) throw refuse("has a space, a comma or what is no ASCII: give letters, digits and signs");
}

/** From headers alone: what is in a URL is in logs and histories too. */
function keyOf(headers: Headers | undefined): string | undefined {
  return headers?.get("x-api-key") ?? AUTHORIZATION.exec(headers?.get("authorization") ?? "")?.[1];
}

/** Of one length, so that comparing does not tell how long a key is. */
function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
