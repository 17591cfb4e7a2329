/** Readers of single values: each returns what was meant, or throws a sentence that says what to write instead. */

const DURATION_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

const SIZE_UNITS_BYTES: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["KiB", 1_024],
  ["MiB", 1_048_576],
  ["GiB", 1_073_741_824],
]);

const MAX_DURATION_MS = 365 * 86_400_000;

/** The sentence for a value of another kind; the value is not repeated, because it may be long or secret. */
export function kindOf(raw: unknown): string {
  if (raw === null) return "nothing";
  if (Array.isArray(raw)) return "a list";
  if (typeof raw === "object") return "a mapping";
  return typeof raw === "string" ? "a text" : `a ${typeof raw}`;
}

/** A whole number within bounds. */
export function readInteger(raw: unknown, bounds: { min: number; max: number }): number {
  if (typeof raw !== "number") throw new Error(`must be a whole number, not ${kindOf(raw)}`);
  if (!Number.isSafeInteger(raw) || raw < bounds.min || raw > bounds.max) {
    throw new Error(`is ${raw}: give a whole number from ${bounds.min} to ${bounds.max}`);
  }
  return raw;
}

/** `true` or `false`, and nothing that merely looks like it. */
export function readBoolean(raw: unknown): boolean {
  if (typeof raw !== "boolean") throw new Error(`must be true or false, not ${kindOf(raw)}`);
  return raw;
}

/** One of a few words. */
export function readChoice<Word extends string>(raw: unknown, words: readonly Word[]): Word {
  const found = words.find((word) => word === raw);
  if (found !== undefined) return found;
  const given = typeof raw === "string" && raw.length <= 32 ? JSON.stringify(raw) : kindOf(raw);
  throw new Error(`is ${given}: give ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`);
}

/** A text with something in it. */
export function readText(raw: unknown, maxCharacters: number): string {
  if (typeof raw !== "string") throw new Error(`must be a text, not ${kindOf(raw)}`);
  if (raw === "") throw new Error("is empty");
  if (raw.length > maxCharacters) throw new Error(`is longer than ${maxCharacters} characters`);
  return raw;
}

/** A duration with its unit, in milliseconds: `300s`, `5m`. */
export function readDuration(raw: unknown, bounds: { min?: number; max?: number } = {}): number {
  if (typeof raw === "number") {
    if (raw < 0) throw new Error(`is ${raw}: a duration cannot be negative`);
    throw new Error(`is ${raw}: write the unit too, like ${raw}s (units: ms, s, m, h, d)`);
  }
  if (typeof raw !== "string") throw new Error(`must be a duration like 300s or 5m, not ${kindOf(raw)}`);
  const parts = /^(-?)(\d{1,15})([a-z]{1,2})$/.exec(raw);
  const unitMs = DURATION_UNITS_MS.get(parts?.[3] ?? "");
  if (parts === null || unitMs === undefined) {
    throw new Error(`is ${shown(raw)}: write a whole number and a unit, like 300s or 5m (units: ms, s, m, h, d)`);
  }
  if (parts[1] === "-") throw new Error(`is ${shown(raw)}: a duration cannot be negative`);
  const durationMs = Number(parts[2]) * unitMs;
  const { min = 1, max = MAX_DURATION_MS } = bounds;
  if (durationMs < min) throw new Error(`is ${shown(raw)}: give at least ${formatDuration(min)}`);
  if (durationMs > max) throw new Error(`is ${shown(raw)}: give at most ${formatDuration(max)}`);
  return durationMs;
}

/** A size in bytes: a whole number, or one with a binary unit such as `64KiB`. */
export function readSize(raw: unknown, bounds: { min: number; max: number }): number {
  if (typeof raw !== "number" && typeof raw !== "string") {
    throw new Error(`must be a size like 64KiB or 1MiB, not ${kindOf(raw)}`);
  }
  const parts = /^(-?)(\d{1,15})([A-Za-z]{0,3})$/.exec(String(raw));
  if (parts === null) throw new Error(`is ${shown(raw)}: write a size like 64KiB or 1MiB (units: B, KiB, MiB, GiB)`);
  const [, sign = "", digits = "", unit = ""] = parts;
  if (sign === "-") throw new Error(`is ${shown(raw)}: a size cannot be negative`);
  const unitBytes = SIZE_UNITS_BYTES.get(unit === "" ? "B" : unit);
  if (unitBytes === undefined) throw new Error(`is ${shown(raw)}: ${sizeUnitAdvice(digits, unit)}`);
  const bytes = Number(digits) * unitBytes;
  if (bytes < bounds.min) throw new Error(`is ${shown(raw)}: give at least ${formatSize(bounds.min)}`);
  if (bytes > bounds.max) throw new Error(`is ${shown(raw)}: give at most ${formatSize(bounds.max)}`);
  return bytes;
}

/** `64kb` may mean 64,000 or 65,536 bytes, or bits: ask rather than guess. */
function sizeUnitAdvice(digits: string, unit: string): string {
  const letter = unit.charAt(0).toUpperCase();
  if (!/^[kmg](i?b)?$/i.test(unit)) return "the units are B, KiB, MiB and GiB";
  const binary = `${letter}iB`;
  const decimal = Number(digits) * { K: 1e3, M: 1e6, G: 1e9 }[letter as "K" | "M" | "G"];
  return `the unit "${unit}" is ambiguous, write ${digits}${binary} (powers of 1024) or ${decimal}B`;
}

/** Milliseconds in the largest unit that keeps them whole. */
export function formatDuration(durationMs: number): string {
  const [unit, unitMs] = largestWholeUnit(durationMs, DURATION_UNITS_MS);
  return `${durationMs / unitMs}${unit}`;
}

/** Bytes in the largest unit that keeps them whole. */
export function formatSize(bytes: number): string {
  const [unit, unitBytes] = largestWholeUnit(bytes, SIZE_UNITS_BYTES);
  return `${bytes / unitBytes}${unit}`;
}

function largestWholeUnit(value: number, units: ReadonlyMap<string, number>): [string, number] {
  const fitting = [...units].filter(([, factor]) => value >= factor && value % factor === 0);
  return fitting.at(-1) ?? [...units][0] ?? ["", 1];
}

function shown(raw: string | number): string {
  if (typeof raw === "number") return String(raw);
  const text = raw;
  return JSON.stringify(text.length > 32 ? `${text.slice(0, 32)}…` : text);
}
