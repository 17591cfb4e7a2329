import type { DialStep, ExchangeStep, Interceptor, InterceptorHost } from "../connection/interceptors.ts";
import { discardLink } from "../connection/link-keeper.ts";
import { MAX_DELAY_MS } from "../contract/clock.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import { checkCountOption, checkObjectOption, checkOptionNames } from "../wire/option-checks.ts";

/** How long what may take, whatever its caller allows; a shorter time of the caller's stays. */
export interface TimeoutOptions {
  /** For a dial until its link is established, in milliseconds. */
  readonly dialMs?: number;
  /** For a request until its response is read, in milliseconds. */
  readonly exchangeMs?: number;
}

/**
 * Limits how long dials and requests take. Inside a `retry`, further back in the list, it limits each attempt; outside, all of
 * them together. What takes longer fails with `timed-out`.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function timeout(options: TimeoutOptions): Interceptor {
  checkObjectOption("timeout options", options);
  checkOptionNames("", options, ["dialMs", "exchangeMs"]);
  const { dialMs, exchangeMs } = options;
  if (dialMs !== undefined) checkCountOption("dialMs", dialMs, MAX_DELAY_MS);
  if (exchangeMs !== undefined) checkCountOption("exchangeMs", exchangeMs, MAX_DELAY_MS);
  return {
    ...(dialMs !== undefined && { dial: (next, host) => limitedDial(next, host, dialMs) }),
    ...(exchangeMs !== undefined && { exchange: (next) => limitedExchange(next, exchangeMs) }),
  };
}

function limitedDial(next: DialStep, { clock }: InterceptorHost, timeoutMs: number): DialStep {
  return async function limited(call) {
    const purpose = `connect to "${call.endpoint}"`;
    const cancellation = new Cancellation({ clock, signal: call.signal, timeoutMs, purpose });
    const { signal } = cancellation;
    try {
      const dialled = next({ ...call, signal }).then((link) => {
        // A wire that ignores its signal: nobody waits for this link any more.
        if (signal.aborted) discardLink(link);
        return link;
      });
      return await unlessAborted(dialled, signal);
    } finally {
      cancellation.release();
    }
  };
}

/** The wire keeps the deadline, body included. */
function limitedExchange(next: ExchangeStep, exchangeMs: number): ExchangeStep {
  return function limited(call) {
    const { timeoutMs = exchangeMs } = call.options;
    // What is no time at all is for the wire to refuse.
    const isShorter = !(timeoutMs > exchangeMs);
    return next({ ...call, options: { ...call.options, timeoutMs: isShorter ? timeoutMs : exchangeMs } });
  };
}
