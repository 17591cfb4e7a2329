import { PolywireError } from "@polywire/core";

/**
 * Refuses keys that nobody knows, with the nearest one that is known.
 *
 * @param path where the object stands, such as `channels[2]`; empty for the options themselves.
 * @throws PolywireError `invalid-argument`.
 */
export function requireKnown(given: object, known: readonly string[], path: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const full = path === "" ? name : `${path}.${name}`;
    throw new PolywireError("invalid-argument", `unknown option ${full}: did you mean ${nearest(name, known)}?`);
  }
}

/**
 * Positive whole numbers, the given ones over the defaults.
 *
 * @throws PolywireError `invalid-argument` naming the option that is unknown or no positive whole number.
 */
export function completeNumbers<Numbers extends { readonly [name: string]: number } | object>(
  given: Partial<Numbers> | undefined,
  defaults: Numbers,
  path: string,
): Numbers {
  if (given === undefined) return defaults;
  requireKnown(given, Object.keys(defaults), path);
  const complete = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Numbers)[]) {
    const value = given[name];
    if (value === undefined) continue;
    requirePositive(value, `${path}.${String(name)}`);
    complete[name] = value as Numbers[keyof Numbers];
  }
  return complete;
}

export function requirePositive(value: unknown, path: string): asserts value is number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return;
  throw new PolywireError("invalid-argument", `${path} is ${String(value)}: give a whole number above 0`);
}

export function requireOneOf<Value>(value: unknown, allowed: readonly Value[], path: string): asserts value is Value {
  if (allowed.includes(value as Value)) return;
  throw new PolywireError("invalid-argument", `${path} is ${JSON.stringify(value)}: give ${allowed.join(", ")}`);
}

/** The known word with the fewest edits. */
function nearest(word: string, known: readonly string[]): string {
  const ranked = known.map((other) => ({ other, edits: editDistance(word.slice(0, 64), other) }));
  ranked.sort((one, two) => one.edits - two.edits);
  return ranked[0]?.other ?? "none";
}

/** Levenshtein's distance, one row at a time. */
function editDistance(one: string, two: string): number {
  let row = Array.from({ length: two.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= two.length; j++) {
      const replaced = (row[j - 1] as number) + (one[i - 1] === two[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[two.length] as number;
}
