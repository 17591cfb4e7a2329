import type { CloseInfo } from "../contract/close.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Payload } from "../contract/payload.ts";
import type { HealthChange } from "../health/health-record.ts";
import type { QualityChange } from "../quality/quality-meter.ts";
import type { StateChange } from "./states.ts";

/**
 * What a connection tells, synchronously. In what order: a change of `state` first; at a loss, what was in flight is
 * rejected then, and `disconnect` and `reconnecting` follow.
 */
export interface ConnectionEvents {
  /** Every change of state. */
  state: StateChange;
  /** There is a link. Comes before its first message. */
  connect: { readonly generation: number };
  /** The link is gone. Comes once for each `connect`. */
  disconnect: { readonly closeInfo: CloseInfo; readonly willReconnect: boolean };
  /** The wait for the next dial has begun. `error`: what was wrong with the last. */
  reconnecting: { readonly attempt: number; readonly delayMs: number; readonly error: PolywireError | undefined };
  /** There is a link again: another one, so nothing of the old goes on. Comes before its first message. */
  reconnected: { readonly generation: number; readonly downtimeMs: number };
  /** The peer is better or worse off than it was. */
  health: HealthChange;
  /** The network is better or worse than it was. Whoever listens has the link measured every second. */
  quality: QualityChange;
  /** One message. Bytes are borrowed until the listener returns. */
  data: Payload;
  /** The peer has caught up after a `send` that said `wait`. */
  drain: undefined;
  /** The peer has ended its side. Without a listener the link closes then. */
  end: undefined;
  /** A listener or the wire failed; the connection may live on. */
  error: PolywireError;
  /** The connection is over. Comes exactly once, last. */
  close: CloseInfo;
}
