import type { MetricAttributes, MetricPoint } from "./family.ts";

/**
 * Numbers under pairs of words, such as a protocol and an error's code. Both words are of small sets, so nothing here
 * needs a limit.
 */
export class Tally {
  readonly #numbers = new Map<string, Map<string, number>>();

  add(first: string, second: string = ""): void {
    let row = this.#numbers.get(first);
    if (row === undefined) {
      row = new Map();
      this.#numbers.set(first, row);
    }
    row.set(second, (row.get(second) ?? 0) + 1);
  }

  points(attributesOf: (first: string, second: string) => MetricAttributes): MetricPoint[] {
    return Array.from(this.#numbers, ([first, row]) =>
      Array.from(row, ([second, value]) => ({ attributes: attributesOf(first, second), value })),
    ).flat();
  }
}
