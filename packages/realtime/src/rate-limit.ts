import type { HubLimits } from "./options.ts";

/** How much may come at once, in seconds of the rate. */
const BURST_SECONDS = 2;

/** How much has to gather again once everything was used up, in seconds of the rate. */
const PAUSE_SECONDS = 0.5;

/** `refused`: not now. `flood`: it was refused so often that its client is better gone. */
export type RateVerdict = "taken" | "refused" | "flood";

/** What one client may do in a second: commands, and of those publishes. */
export class ClientRates {
  readonly #commands: RateLimit | undefined;
  readonly #publishes: RateLimit | undefined;

  constructor({ commandsPerSecond, publishesPerSecond }: HubLimits, nowMs: number) {
    this.#commands = commandsPerSecond === undefined ? undefined : new RateLimit(commandsPerSecond, nowMs);
    this.#publishes = publishesPerSecond === undefined ? undefined : new RateLimit(publishesPerSecond, nowMs);
  }

  take(isPublish: boolean, nowMs: number): RateVerdict {
    const verdict = this.#commands?.take(nowMs) ?? "taken";
    return verdict === "taken" && isPublish ? (this.#publishes?.take(nowMs) ?? "taken") : verdict;
  }
}

/**
 * What one client may do in a second: a bucket of tokens, which holds two seconds of them. Once it is empty everything is
 * refused until half a second of them has gathered, so that of several things sent together the first are taken and the
 * others are not. Who goes on all the same, and has a full bucket of refusals before the bucket itself was full again, is a
 * flood.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;
  #isPausing = false;
  #refusals = 0;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * BURST_SECONDS;
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): RateVerdict {
    this.#tokens += ((nowMs - this.#atMs) * this.#perSecond) / 1_000;
    this.#atMs = nowMs;
    if (this.#tokens >= this.#burst) {
      this.#tokens = this.#burst;
      this.#refusals = 0;
    }
    if (this.#isPausing && this.#tokens < Math.max(1, this.#perSecond * PAUSE_SECONDS)) return this.#refuse();
    this.#isPausing = this.#tokens < 1;
    if (this.#isPausing) return this.#refuse();
    this.#tokens--;
    return "taken";
  }

  #refuse(): RateVerdict {
    this.#refusals++;
    return this.#refusals > this.#burst ? "flood" : "refused";
  }
}
