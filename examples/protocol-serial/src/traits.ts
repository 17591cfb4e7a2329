import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";

/** What every link promises. Each claim is a law that `npm test` holds the protocol to. */
export function traitsFor({ maxMessageBytes }: LinkLimits = DEFAULT_LIMITS): Traits {
  return {
    kind: "message",
    ordered: true,
    reliable: true,
    halfClose: false,
    ping: "none",
    text: false,
    closeCodes: false,
    handshake: false,
    content: "any",
    maxMessageBytes,
  };
}
