// What a plugin checks its options with, so that every one names a wrong option in the same words.

import { PolywireError } from "../contract/error.ts";

/** @throws PolywireError `invalid-argument` unless the value is an object. */
export function checkObjectOption(path: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw wrongOption(path, value, "give an object");
}

/** @throws PolywireError `invalid-argument` naming the first key that is not known, and the known one nearest to it. */
export function checkOptionNames(path: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const advice = near === undefined ? `known are ${known.join(", ")}` : `did you mean "${near}"?`;
    throw new PolywireError("invalid-argument", `unknown option "${path === "" ? key : `${path}.${key}`}": ${advice}`);
  }
}

/** @throws PolywireError `invalid-argument` for anything but a positive integer, up to `most`. */
export function checkCountOption(path: string, value: unknown, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? "a positive integer" : `an integer from 1 to ${most}`;
  throw wrongOption(path, value, `give ${range}`);
}

export function checkBooleanOption(path: string, value: unknown): void {
  if (typeof value !== "boolean") throw wrongOption(path, value, "give true or false");
}

export function checkFunctionOption(path: string, value: unknown): void {
  if (typeof value !== "function") throw wrongOption(path, value, "give a function");
}

export function checkOneOfOption(path: string, value: unknown, known: readonly string[]): void {
  if (typeof value === "string" && known.includes(value)) return;
  const near = typeof value === "string" ? nearest(value, known) : undefined;
  const advice = near === undefined ? `give ${known.map((one) => `"${one}"`).join(", ")}` : `did you mean "${near}"?`;
  throw wrongOption(path, value, advice);
}

export function wrongOption(path: string, value: unknown, advice: string): PolywireError {
  return new PolywireError("invalid-argument", `${path} is ${printed(value)}: ${advice}`);
}

function printed(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  if (value === null || typeof value !== "object") return typeof value === "function" ? "a function" : String(value);
  return Array.isArray(value) ? "an array" : "an object";
}

/** The known word that most looks like the given one, if any does. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // More than every third letter wrong is another word.
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const one of known) {
    const distance = editDistance(word.toLowerCase().slice(0, 64), one.toLowerCase());
    if (distance >= least) continue;
    least = distance;
    best = one;
  }
  return best;
}

/** Levenshtein's: letters to add, remove or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let left = 1; left <= one.length; left++) {
    const next = [left];
    for (let right = 1; right <= other.length; right++) {
      const replaced = (row[right - 1] as number) + (one[left - 1] === other[right - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[right] as number) + 1, (next[right - 1] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
