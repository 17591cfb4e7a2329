export interface RateSearch {
  /** The first rate offered, per second. */
  readonly start: number;
  /** No rate above this one is offered. */
  readonly ceiling: number;
  /** The search ends when the gap between held and not held is this share of the rate. */
  readonly precision: number;
}

/**
 * The highest rate that `holds`: doubling until one does not, then halving the gap. Undefined when the first one
 * already fails and so do its halves down to a sixty-fourth.
 */
export async function highestRate(
  search: RateSearch,
  holds: (rate: number) => Promise<boolean>,
): Promise<number | undefined> {
  let held = 0;
  let failed = Number.POSITIVE_INFINITY;
  let rate = search.start;
  while (failed - held > held * search.precision) {
    if (await holds(rate)) held = rate;
    else failed = rate;
    if (held === search.ceiling || failed <= search.start / 64) break;
    rate = Math.round(failed === Number.POSITIVE_INFINITY ? Math.min(held * 2, search.ceiling) : (held + failed) / 2);
  }
  return held === 0 ? undefined : held;
}
