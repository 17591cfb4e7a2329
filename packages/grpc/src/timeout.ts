/** `grpc-timeout`: at most eight digits and a unit. */
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

const MAX_DIGITS = 99_999_999;

/** Milliseconds as the value of `grpc-timeout`, rounded up. */
export function encodeTimeout(timeoutMs: number): string {
  const milliseconds = Math.ceil(timeoutMs);
  return milliseconds <= MAX_DIGITS ? `${milliseconds}m` : `${Math.min(Math.ceil(timeoutMs / 1_000), MAX_DIGITS)}S`;
}

/** Milliseconds of a `grpc-timeout`; `undefined` without one, NaN for one that is wrong. */
export function decodeTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const [, digits = "", unit = ""] = TIMEOUT.exec(value) ?? [];
  return digits === "" ? Number.NaN : Number(digits) * (UNIT_MS.get(unit) as number);
}
