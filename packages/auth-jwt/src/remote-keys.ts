import { type Clock, PolywireError, type Timer } from "@polywire/core";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";

/** Least time between two fetches, whatever they gave and whoever asks. */
const COOLDOWN_MS = 30_000;
/** Older keys are fetched anew, while they go on being used. */
const FRESH_MS = 600_000;
/** Older keys are used no longer: the issuer may have withdrawn one. */
const USABLE_MS = 3_600_000;
/** Less than the hub gives its hooks, so that clients are told to come back. */
const FETCH_TIMEOUT_MS = 4_000;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;

/** There are no keys to verify anything with, for now. */
export class KeysUnavailable extends Error {}

export interface RemoteKeysOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** Told of every fetch that failed. */
  readonly failed: (error: PolywireError) => void;
}

/**
 * The keys that an issuer publishes at one URL, which the configuration names and no token can change. Fetched when they are
 * first needed, when they are ten minutes old, and when a token names a key that is not among them; one fetch at a time
 * and at most one in 30 s, for failures as well, so that no flood of tokens becomes a flood of requests.
 */
export class RemoteKeys {
  readonly #url: URL;
  readonly #options: RemoteKeysOptions;
  #keys: ReturnType<typeof createLocalJWKSet> | undefined = undefined;
  #fetchedMs = 0;
  #triedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined = undefined;
  readonly #closed = new AbortController();
  fetches = 0;
  failures = 0;

  constructor(url: URL, options: RemoteKeysOptions) {
    this.#url = url;
    this.#options = options;
  }

  close(): void {
    this.#closed.abort();
  }

  /** @throws KeysUnavailable, or what jose says of a key that is not there. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current();
    try {
      return await keys(header, token);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || !this.#mayFetch()) throw thrown;
      await this.#fetch();
      return await (await this.#current())(header, token);
    }
  };

  async #current(): Promise<ReturnType<typeof createLocalJWKSet>> {
    const ageMs = this.#options.clock.now() - this.#fetchedMs;
    const isUsable = this.#keys !== undefined && ageMs < USABLE_MS;
    if (!isUsable || ageMs >= FRESH_MS) {
      const fetched = this.#fetching ?? (this.#mayFetch() ? this.#fetch() : Promise.resolve());
      if (!isUsable) await fetched;
    }
    const isThere = this.#keys !== undefined && this.#options.clock.now() - this.#fetchedMs < USABLE_MS;
    if (!isThere || this.#keys === undefined) throw new KeysUnavailable();
    return this.#keys;
  }

  #mayFetch(): boolean {
    return this.#fetching !== undefined || this.#options.clock.now() - this.#triedMs >= COOLDOWN_MS;
  }

  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchOnce().then((error) => {
      this.#fetching = undefined;
      if (error !== undefined) this.#options.failed(error);
    });
    return this.#fetching;
  }

  /** Keeps what it has when it gets nothing; then that is an error to tell, unless nobody waits for it any more. */
  async #fetchOnce(): Promise<PolywireError | undefined> {
    const { clock } = this.#options;
    this.#triedMs = clock.now();
    this.fetches++;
    const timeout = new AbortController();
    const timer: Timer = clock.setTimer(() => timeout.abort(), FETCH_TIMEOUT_MS);
    try {
      this.#keys = createLocalJWKSet(await this.#request(AbortSignal.any([timeout.signal, this.#closed.signal])));
      this.#fetchedMs = clock.now();
      return undefined;
    } catch (thrown) {
      this.failures++;
      if (this.#closed.signal.aborted) return undefined;
      const cause = PolywireError.from(thrown, "not-available");
      const what = timeout.signal.aborted ? `no answer within ${FETCH_TIMEOUT_MS} ms` : cause.message;
      return new PolywireError("not-available", `keys from ${this.#url.origin}: ${what}`, { cause });
    } finally {
      timer.cancel();
    }
  }

  async #request(signal: AbortSignal): Promise<JSONWebKeySet> {
    const headers = { accept: "application/jwk-set+json, application/json" };
    const response = await this.#options.fetch(this.#url, { headers, redirect: "error", signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new PolywireError("not-available", `was answered with status ${response.status}, not 200`);
    }
    const keySet = JSON.parse(await boundedText(response)) as JSONWebKeySet;
    const count = Array.isArray(keySet?.keys) ? keySet.keys.length : 0;
    if (count < 1 || count > MAX_KEYS) {
      throw new PolywireError("protocol-violation", `the answer is no key set with 1 to ${MAX_KEYS} keys`);
    }
    return keySet;
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new PolywireError("too-large", `the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
}
