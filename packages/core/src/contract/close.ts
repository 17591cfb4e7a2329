import type { PolywireError } from "./error.ts";

/** How the holder of a link asks for its end. */
export interface CloseReason {
  /** A code of the wire or dialect, such as 1000 or 3001; wires without codes drop it. */
  readonly code?: number;
  /** Plain text for the peer; cut to what the wire carries (123 bytes on a WebSocket). */
  readonly reason?: string;
  /** Drop what was accepted but not sent yet, and do not wait for the peer. */
  readonly discard?: boolean;
}

/** Why and how a link ended: one form for every wire. */
export interface CloseInfo {
  /** Who ended it: we, the peer, or the network between (a reset, a timeout, a broken handshake). */
  readonly by: "local" | "remote" | "network";
  /** Both sides agreed on the end, so nothing was cut off. */
  readonly clean: boolean;
  readonly code?: number;
  readonly reason: string;
  /** Whether dialling again makes sense. */
  readonly retryable: boolean;
  /** Bytes accepted by `send` that were never handed to the operating system. */
  readonly bytesLost: number;
  readonly error?: PolywireError;
}
