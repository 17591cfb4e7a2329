import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";

/** What exchanges over HTTP promise. */
export function requestTraits({ maxMessageBytes }: LinkLimits = DEFAULT_LIMITS): Traits {
  return { ...streamTraits({ maxMessageBytes }), kind: "request", duplex: true };
}

/** What a response promises whose body is a link. */
export function streamTraits({ maxMessageBytes }: Pick<LinkLimits, "maxMessageBytes">): Traits {
  return {
    kind: "stream",
    ordered: true,
    reliable: true,
    halfClose: false,
    ping: "none",
    text: false,
    closeCodes: false,
    handshake: true,
    content: "any",
    maxMessageBytes,
  };
}
