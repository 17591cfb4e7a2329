import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";
import type { FramingName } from "./frame.ts";

/** What a link with this framing promises. */
export function traitsFor(framing: FramingName, { maxMessageBytes }: LinkLimits = DEFAULT_LIMITS): Traits {
  const isText = framing === "lines";
  return {
    kind: framing === "none" ? "stream" : "message",
    ordered: true,
    reliable: true,
    halfClose: true,
    ping: "none",
    text: isText,
    closeCodes: false,
    handshake: false,
    content: isText ? "line" : "any",
    maxMessageBytes,
  };
}
