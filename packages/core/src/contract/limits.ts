import { PolywireError } from "./error.ts";

/** Limits of one link or listener. Every one has a default; 0 is never "unlimited". */
export interface LinkLimits {
  /** Largest message in bytes, both ways. 1 MiB. */
  readonly maxMessageBytes: number;
  /** Most bytes waiting to be sent on one link; `send` refuses past it. 4 MiB. */
  readonly maxBufferedBytes: number;
  /** Past this many waiting bytes `send` says `wait`. 256 KiB. */
  readonly waitAboveBytes: number;
  /** Longest handshake, TLS included, in milliseconds. 10 s. */
  readonly handshakeTimeoutMs: number;
  /** Longest wait for the peer's part of a close, in milliseconds. 5 s. */
  readonly closeTimeoutMs: number;
  /** Most links of one listener at once; further peers are refused. 10,000. */
  readonly maxLinks: number;
  /** Most handshakes of one listener at once; further peers are refused. 1,000. */
  readonly maxHandshakes: number;
}

export const DEFAULT_LIMITS: LinkLimits = {
  maxMessageBytes: 1_048_576,
  maxBufferedBytes: 4_194_304,
  waitAboveBytes: 262_144,
  handshakeTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
  maxLinks: 10_000,
  maxHandshakes: 1_000,
};

/**
 * The given limits over the defaults.
 *
 * @throws PolywireError `invalid-argument` naming the limit that is unknown or no positive integer.
 */
export function completeLimits(given: Partial<LinkLimits> = {}, defaults: LinkLimits = DEFAULT_LIMITS): LinkLimits {
  const limits: { -readonly [Name in keyof LinkLimits]: number } = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new PolywireError(
        "invalid-argument",
        `unknown limit "${name}": known are ${Object.keys(DEFAULT_LIMITS).join(", ")}`,
      );
    }
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new PolywireError("invalid-argument", `limit ${name} is ${String(value)}: give a positive integer`);
    }
    limits[name as keyof LinkLimits] = value;
  }
  limits.waitAboveBytes = Math.min(limits.waitAboveBytes, limits.maxBufferedBytes);
  return limits;
}
