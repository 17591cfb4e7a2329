/** What happened so long ago counts for a third (1/e). */
const FADE_MS = 10_000;
/** From one outcome to the next so much is kept, however long it took: where they are rare, one is no verdict on its own. */
const LEAST_KEPT = 0.8;

/** The share of what went wrong lately. Older outcomes count for less by their age, but the last five always count. */
export class FadingShare {
  #all = 0;
  #bad = 0;
  #atMs = 0;

  /** @param badness 0 for one that went well, 1 for one that did not, or something between. */
  add(badness: number, nowMs: number): void {
    const kept = Math.max(LEAST_KEPT, Math.exp(-Math.max(nowMs - this.#atMs, 0) / FADE_MS));
    this.#all = this.#all * kept + 1;
    this.#bad = this.#bad * kept + badness;
    this.#atMs = nowMs;
  }

  /** 0 to 1. */
  get share(): number {
    return this.#all === 0 ? 0 : this.#bad / this.#all;
  }
}
