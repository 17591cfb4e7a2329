import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";

/** What every call that is a conversation promises. */
export function traitsFor(
  { maxMessageBytes }: LinkLimits = DEFAULT_LIMITS,
  { handshake = true }: { readonly handshake?: boolean } = {},
): Traits {
  return {
    kind: "message",
    ordered: true,
    reliable: true,
    halfClose: true,
    ping: "native",
    text: false,
    // A client ends its call without a word.
    closeCodes: false,
    handshake,
    content: "any",
    multiplexed: true,
    maxMessageBytes,
  };
}

/** The answer to a request, as a link that only sends. */
export function answerTraits(limits: LinkLimits): Traits {
  return { ...traitsFor(limits), halfClose: false };
}
