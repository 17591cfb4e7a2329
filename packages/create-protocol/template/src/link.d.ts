import type { Socket } from "node:net";
import {
  type CloseReason,
  type DeliveryOwner,
  type Framing,
  type HostContext,
  type Link,
  type OutboxWire,
  type Payload,
  type Peer,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Traits,
} from "@polywire/core";
/**
 * One connection. `Delivery` keeps the promises of a sink, `Outbox` those of a sender: what is left for a wire is to feed
 * the one and to write what the other hands over.
 */
export declare class MywireLink implements Link, OutboxWire, DeliveryOwner {
  #private;
  readonly traits: Traits;
  readonly framing: Framing;
  readonly peer: Peer;
  /** @param socket connected, and not read yet */
  constructor(socket: Socket, host: HostContext, gone: () => void);
  get refusal(): Refusal | undefined;
  get bufferedBytes(): number;
  /** The dialler or the listener has passed the link on: from here on it may be read, once it is opened. */
  handOver(): void;
  open(sink: Sink): void;
  send(payload: Payload | Prepared): SendResult;
  pause(): void;
  resume(): void;
  close({ reason, discard }?: CloseReason): void;
  /** For the outbox: everything that one turn of the event loop sent, in one system call. */
  write(buffers: readonly Uint8Array[]): boolean;
  /** For the outbox. */
  drained(): void;
  /** For delivery: a bug of the program's. */
  sinkFailed(error: PolywireError): void;
}
//# sourceMappingURL=link.d.ts.map
