import {
  type AnyProtocol,
  type Clock,
  checkFunctionOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  checkTimeout,
  completeLimits,
  type DialOptionsFor,
  type LinkLimits,
  type PolywireError,
  systemClock,
  wrongOption,
} from "@polywire/core";
import type { Frames } from "./wires.ts";

/** Options of {@link webSocketOver}. */
export interface WebSocketOverOptions<Protocols extends readonly AnyProtocol[] = readonly AnyProtocol[]> {
  /**
   * The protocols' own dial options, by scheme: `{ wss: { tls: { ca } }, tcps: { tls: { ca } } }`. They win over what
   * the wire is dialled with anyway, such as `framing: "lines"` on TCP.
   */
  readonly dial?: {
    readonly [Scheme in Protocols[number]["schemes"][number]]?: DialOptionsFor<Protocols, `${Scheme}:`>;
  };
  /** Goes with the handshake where the wire can carry it: request headers, gRPC metadata. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How messages are framed on a wire that is not one of Polywire's; otherwise each wire has its way. */
  readonly frames?: Frames;
  /** For everything until the link is established, in milliseconds; the SDK has a `timeout` of its own (5,000). 10,000 by default. */
  readonly timeoutMs?: number;
  readonly limits?: Partial<LinkLimits>;
  /** Told of each dial that failed and each link that was cut off, which the SDK keeps to itself, and of what a handler threw. */
  readonly onError?: (error: PolywireError) => void;
  readonly clock?: Clock;
}

export interface CompleteOptions {
  readonly dial: ReadonlyMap<string, object>;
  readonly headers: ReadonlyMap<string, string>;
  readonly frames: Frames | undefined;
  readonly timeoutMs: number;
  readonly limits: Partial<LinkLimits>;
  readonly onError: (error: PolywireError) => void;
  readonly clock: Clock;
}

const NAMES = ["dial", "headers", "frames", "timeoutMs", "limits", "onError", "clock"];
const DEFAULT_TIMEOUT_MS = 10_000;

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeOptions(given: WebSocketOverOptions): CompleteOptions {
  checkObjectOption("options", given);
  checkOptionNames("", given, NAMES);
  const { dial = {}, headers = {}, frames, timeoutMs = DEFAULT_TIMEOUT_MS, limits = {}, clock = systemClock } = given;
  const { onError = () => {} } = given;
  checkObjectOption("dial", dial);
  for (const [scheme, options] of Object.entries(dial)) checkObjectOption(`dial.${scheme}`, options);
  checkObjectOption("headers", headers);
  for (const [name, value] of Object.entries(headers)) {
    // The value may be a secret: it is not shown.
    if (typeof value !== "string") throw wrongOption(`headers.${name}`, value, "give a string");
  }
  if (frames !== undefined) checkOneOfOption("frames", frames, ["joined", "single"]);
  checkTimeout(timeoutMs);
  checkObjectOption("limits", limits);
  completeLimits(limits);
  checkFunctionOption("onError", onError);
  return {
    dial: new Map(Object.entries(dial as Record<string, object>)),
    headers: new Map(Object.entries(headers)),
    frames,
    timeoutMs,
    limits: { ...limits },
    onError,
    clock,
  };
}
