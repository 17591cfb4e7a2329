import { type Clock, PolywireError, systemClock } from "@polywire/core";

export interface CentrifugeOptions {
  /**
   * Origins of pages that may connect, besides those of the listener's own host: `https://app.example.com`, with `*` for
   * any characters. Peers that send no origin (everything but browsers) are always let in.
   */
  readonly allowedOrigins?: readonly string[];
  /** Request headers to hand to the hub's `authenticate`, such as `cookie`. None by default: they cost memory. */
  readonly keepHeaders?: readonly string[];
  /** Most commands in one frame; more end the session with 3501. 256. */
  readonly maxCommandsPerFrame?: number;
  /** Commands answered with error 107 within 10 s that end the session with 3509. 10. */
  readonly maxBadCommands?: number;
  readonly clock?: Clock;
}

export type CompleteOptions = Required<CentrifugeOptions>;

/** @throws PolywireError `invalid-argument` naming the option that is unknown or out of range. */
export function completeOptions(given: CentrifugeOptions): CompleteOptions {
  const { allowedOrigins = [], keepHeaders = [], maxCommandsPerFrame = 256, maxBadCommands = 10, ...others } = given;
  const { clock = systemClock, ...unknown } = others;
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw new PolywireError("invalid-argument", `unknown option "${name}" of the centrifuge dialect`);
  checkCount("maxCommandsPerFrame", maxCommandsPerFrame);
  checkCount("maxBadCommands", maxBadCommands);
  return { allowedOrigins, keepHeaders, maxCommandsPerFrame, maxBadCommands, clock };
}

function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new PolywireError("invalid-argument", `${name} is ${String(value)}: give a positive integer`);
}
