import { DEFAULT_LIMITS, type LinkLimits, type Traits } from "@polywire/core";
import type { CompleteOptions } from "./options.ts";

const MAX_FRAGMENTS = 1_024;
const MAX_BUFFERED_CHUNKS = 16_384;
/** Compression below this many bytes gains nothing. */
const COMPRESSION_THRESHOLD_BYTES = 1_024;
const COMPRESSIONS_AT_ONCE = 10;

export interface SocketSettings {
  readonly allowSynchronousEvents: true;
  readonly autoPong: false;
  readonly closeTimeout: number;
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly perMessageDeflate: false | { readonly threshold: number; readonly concurrencyLimit: number };
}

/** The library's settings for both roles. Pongs are sent by the link, which knows when there are too many. */
export function socketSettings(limits: LinkLimits, { compression }: CompleteOptions): SocketSettings {
  return {
    allowSynchronousEvents: true,
    autoPong: false,
    closeTimeout: limits.closeTimeoutMs,
    maxPayload: limits.maxMessageBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    perMessageDeflate: compression && {
      threshold: COMPRESSION_THRESHOLD_BYTES,
      concurrencyLimit: COMPRESSIONS_AT_ONCE,
    },
  };
}

/** What every WebSocket promises. */
export function traitsFor({ maxMessageBytes }: LinkLimits = DEFAULT_LIMITS): Traits {
  return {
    kind: "message",
    ordered: true,
    reliable: true,
    halfClose: false,
    ping: "native",
    text: true,
    closeCodes: true,
    handshake: true,
    content: "any",
    maxMessageBytes,
  };
}
