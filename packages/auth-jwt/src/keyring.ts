import type { JWTPayload } from "jose";
import type { PreviousKey, TokenKey } from "./options.ts";
import { Refusal, type TokenProblem } from "./refusal.ts";
import { RemoteKeys, type RemoteKeysOptions } from "./remote-keys.ts";
import { type Expectations, type VerifyingKey, verifySigned } from "./signature.ts";
import { fixedKey, keySetUrl, PUBLIC_KEY_ALGORITHMS } from "./token-key.ts";

/** What another key may still be right for. */
const KEY_PROBLEMS: readonly TokenProblem[] = ["bad-signature", "wrong-algorithm", "unknown-key", "keys-unavailable"];

export interface KeyringOptions extends RemoteKeysOptions {
  readonly allowWeakKey: boolean;
}

/** A key, and what it is called where it is configured. */
export interface NamedKey {
  readonly path: string;
  readonly key: TokenKey;
}

export interface NamedPreviousKey {
  readonly path: string;
  readonly key: PreviousKey;
}

/** The keys of one sort of tokens: the one in use, and the one that it replaced, for as long as that is good. */
export class Keyring {
  readonly #key: VerifyingKey;
  readonly #previous: VerifyingKey | undefined;
  readonly #previousUntilMs: number;
  readonly #remotes: RemoteKeys[] = [];

  /** @throws PolywireError `invalid-argument` for a key that cannot be used. */
  constructor(current: NamedKey, previous: NamedPreviousKey | undefined, options: KeyringOptions) {
    this.#key = this.#open(current, options);
    const { untilMs = 0, ...previousKey } = previous?.key ?? {};
    this.#previous = previous && this.#open({ path: previous.path, key: previousKey }, options);
    this.#previousUntilMs = untilMs;
  }

  /** Fetches of key sets, and those that failed. */
  get fetches(): { readonly done: number; readonly failed: number } {
    const done = this.#remotes.reduce((sum, { fetches }) => sum + fetches, 0);
    return { done, failed: this.#remotes.reduce((sum, { failures }) => sum + failures, 0) };
  }

  async verify(token: string, expected: Expectations): Promise<JWTPayload | Refusal> {
    const verdict = await verifySigned(token, this.#key, expected);
    const isOld = verdict instanceof Refusal && KEY_PROBLEMS.includes(verdict.problem);
    if (!isOld || this.#previous === undefined || expected.nowMs >= this.#previousUntilMs) return verdict;
    const second = await verifySigned(token, this.#previous, expected);
    return second instanceof Refusal && KEY_PROBLEMS.includes(second.problem) ? verdict : second;
  }

  close(): void {
    for (const remote of this.#remotes) remote.close();
  }

  #open({ path, key }: NamedKey, options: KeyringOptions): VerifyingKey {
    const fixed = fixedKey(path, key, options.allowWeakKey);
    if (fixed !== undefined) return fixed;
    const remote = new RemoteKeys(keySetUrl(key.jwksUrl as string), options);
    this.#remotes.push(remote);
    return { key: remote.find, algorithms: PUBLIC_KEY_ALGORITHMS };
  }
}
