import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";
import type { UdpMode } from "./options.ts";
import { HEADER_BYTES } from "./packet.ts";

/** Header, flags and message number. */
export const SEQUENCED_BYTES: number = HEADER_BYTES + 5;

/** What a link of the mode promises, with the largest datagram that both sides take. */
export function traitsFor(
  mode: UdpMode,
  maxDatagramBytes: number,
  { maxMessageBytes }: LinkLimits = DEFAULT_LIMITS,
): Traits {
  const isPlain = mode === "plain";
  const isReliable = mode === "reliable";
  const datagramBytes = Math.min(isPlain ? maxDatagramBytes : maxDatagramBytes - SEQUENCED_BYTES, maxMessageBytes);
  return {
    kind: isReliable ? "message" : "datagram",
    ordered: !isPlain,
    reliable: isReliable,
    halfClose: false,
    ping: isPlain ? "none" : "native",
    text: !isPlain,
    closeCodes: !isPlain,
    handshake: !isPlain,
    content: "any",
    maxMessageBytes: isReliable ? maxMessageBytes : datagramBytes,
  };
}
