import { MAX_DELAY_MS } from "../contract/clock.ts";
import type { Traits } from "../contract/link.ts";
import { type CompleteVitals, completeLinkVitals, type VitalsOptions } from "../health/options.ts";
import {
  checkBooleanOption,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  wrongOption,
} from "../wire/option-checks.ts";
import { BACKOFF_PRESETS, type Backoff, type BackoffPreset } from "./backoff.ts";

/** How a connection comes back after it lost its link. */
export interface ReconnectOptions extends Partial<Backoff> {
  /** Where the numbers come from that are not given. `centrifuge`. */
  readonly preset?: BackoffPreset;
  /** Dials again only when somebody sends or asks for `ready`. False. */
  readonly lazy?: boolean;
  /**
   * The wait before the next dial, in milliseconds, instead of the computed one: the program's own rule. `failures` in a row
   * so far. What it throws, and what is no time, is reported, and the computed wait is taken.
   */
  readonly delayMs?: (failures: number) => number;
}

/** What is sent while there is no link. */
export interface PendingOptions {
  /** Most bytes that wait. 1 MiB where the wire carries whole messages reliably, none elsewhere. */
  readonly maxBytes?: number;
  /** Most messages that wait. 1,000. */
  readonly maxMessages?: number;
  /** What gives way at the limit: the new message (`refuse`, the default) or those that wait the longest. */
  readonly policy?: "refuse" | "drop-oldest";
}

export interface ConnectionOptions extends VitalsOptions {
  /** False: the connection ends with its first link. True: with the defaults. */
  readonly reconnect?: boolean | ReconnectOptions;
  readonly pending?: PendingOptions;
}

export type CompleteReconnect = Backoff & {
  readonly lazy: boolean;
  readonly delayMs: ReconnectOptions["delayMs"] | undefined;
};

export interface CompleteConnectionOptions {
  readonly reconnect: CompleteReconnect | undefined;
  readonly pending: Required<PendingOptions>;
  readonly vitals: CompleteVitals;
}

const DEFAULT_RECONNECT: CompleteReconnect = { ...BACKOFF_PRESETS.centrifuge, lazy: false, delayMs: undefined };
const RECONNECT_NAMES = ["preset", "lazy", "delayMs", "baseMs", "capMs", "factor", "jitter", "maxAttempts"];
const PENDING_NAMES = ["maxBytes", "maxMessages", "policy"];
const POLICIES = ["refuse", "drop-oldest"];
const DEFAULT_PENDING_BYTES = 1_048_576;
const DEFAULT_PENDING_MESSAGES = 1_000;

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeConnectionOptions(given: ConnectionOptions, traits: Traits): CompleteConnectionOptions {
  return {
    reconnect: completeReconnect(given.reconnect),
    pending: completePending(given.pending, traits),
    vitals: completeLinkVitals(given),
  };
}

function completeReconnect(given: boolean | ReconnectOptions = true): CompleteReconnect | undefined {
  if (given === false) return undefined;
  if (given === true) return DEFAULT_RECONNECT;
  checkObjectOption("reconnect", given);
  checkOptionNames("reconnect", given, RECONNECT_NAMES);
  const { preset = "centrifuge", lazy = false, delayMs, ...own } = given;
  checkOneOfOption("reconnect.preset", preset, Object.keys(BACKOFF_PRESETS));
  checkBooleanOption("reconnect.lazy", lazy);
  if (delayMs !== undefined) checkFunctionOption("reconnect.delayMs", delayMs);
  return { ...checkedBackoff("reconnect.", { ...BACKOFF_PRESETS[preset], ...own }), lazy, delayMs };
}

/**
 * The backoff as it was given.
 *
 * @param before What the names of its options are under: `reconnect.`
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function checkedBackoff(before: string, backoff: Backoff): Backoff {
  const { baseMs, capMs, factor, jitter, maxAttempts } = backoff;
  checkCountOption(`${before}baseMs`, baseMs, MAX_DELAY_MS);
  checkCountOption(`${before}capMs`, capMs, MAX_DELAY_MS);
  if (maxAttempts !== Infinity) checkCountOption(`${before}maxAttempts`, maxAttempts);
  if (!(typeof factor === "number" && factor >= 1 && factor <= 100)) {
    throw wrongOption(`${before}factor`, factor, "give a number from 1 to 100");
  }
  if (jitter !== "full" && !(typeof jitter === "number" && jitter >= 0 && jitter <= 1)) {
    throw wrongOption(`${before}jitter`, jitter, 'give "full" or a share from 0 to 1');
  }
  return { baseMs, capMs, factor, jitter, maxAttempts };
}

function completePending(given: PendingOptions = {}, { kind, reliable }: Traits): Required<PendingOptions> {
  checkObjectOption("pending", given);
  checkOptionNames("pending", given, PENDING_NAMES);
  const holds = kind === "message" && reliable;
  const { maxBytes = holds ? DEFAULT_PENDING_BYTES : 0, maxMessages = DEFAULT_PENDING_MESSAGES } = given;
  const { policy = "refuse" } = given;
  if (maxBytes !== 0) checkCountOption("pending.maxBytes", maxBytes);
  checkCountOption("pending.maxMessages", maxMessages);
  checkOneOfOption("pending.policy", policy, POLICIES);
  if (maxBytes > 0 && kind === "stream") {
    throw wrongOption(
      "pending.maxBytes",
      maxBytes,
      "no byte of a stream may cross a reconnect: half of it is lost already",
    );
  }
  return { maxBytes, maxMessages, policy };
}
