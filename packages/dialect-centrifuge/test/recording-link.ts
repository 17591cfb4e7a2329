import {
  type CloseInfo,
  type CloseReason,
  type ConnectionPlace,
  FramedBytes,
  type Framing,
  type Link,
  type Payload,
  type Peer,
  type Prepared,
  parseEndpoint,
  type Refusal,
  type SendResult,
  type Sink,
  type Traits,
} from "@polywire/core";
import { type Message, replies } from "./wire-client.ts";

/** Where the links of these tests stand in their network. */
export const PLACE: ConnectionPlace = {
  id: "conn_1",
  protocol: "test",
  endpoint: parseEndpoint("test://server/"),
  openedAtMs: 0,
};

/** A framing that counts its work. Its frame is the payload. */
export class CountingFraming implements Framing {
  readonly name = "counting";
  prepared = 0;

  prepare(payloads: readonly Payload[]): Prepared {
    this.prepared++;
    const [payload = ""] = payloads;
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload.slice();
    return Object.assign(new FramedBytes(this, bytes, payloads.length, bytes.byteLength), {
      isText: typeof payload === "string",
    });
  }
}

/** A link without a wire: tests play the peer, and see what was sent in the words of the protocol. */
export class RecordingLink implements Link {
  readonly traits: Traits;
  readonly peer: Peer;
  readonly framing: Framing | undefined;
  readonly sent: Message[] = [];
  readonly sentPayloads: (Payload | Prepared)[] = [];
  closeReason: CloseReason | undefined = undefined;
  isPaused = false;
  bufferedBytes = 0;
  refusal: Refusal | undefined = undefined;
  maxMessageBytes: number;
  isFull = false;
  /** Says of everything that it has to wait. */
  isBehind = false;
  #sink: Sink | undefined = undefined;

  constructor(peer: Partial<Peer> = {}, framing?: Framing, traits: Partial<Traits> = {}) {
    this.peer = { secure: false, ...peer };
    this.framing = framing;
    this.maxMessageBytes = 1_000_000;
    this.traits = {
      kind: "message",
      ordered: true,
      reliable: true,
      halfClose: false,
      ping: "none",
      text: true,
      closeCodes: true,
      handshake: true,
      content: "any",
      maxMessageBytes: this.maxMessageBytes,
      ...traits,
    };
  }

  open(sink: Sink): void {
    this.#sink = sink;
  }

  /** The peer sends a frame, which is overwritten after it was read, as borrowed memory may be. */
  receive(payload: Payload): void {
    this.#sink?.message(payload);
    if (typeof payload !== "string") payload.fill(0xee);
  }

  /** The peer is gone. */
  drop(): void {
    const info: CloseInfo = { by: "network", clean: false, reason: "", retryable: true, bytesLost: 0 };
    this.#sink?.closed(info);
  }

  send(payload: Payload | Prepared): SendResult {
    if (this.closeReason !== undefined) return this.#refuse("closed");
    if (this.isFull) return this.#refuse("overflow");
    const plain = plainPayload(payload);
    if (plain.length > this.maxMessageBytes) return this.#refuse("too-large");
    this.sentPayloads.push(payload);
    this.sent.push(...replies(plain));
    return this.isBehind ? "wait" : "sent";
  }

  /** The peer has caught up. */
  drain(): void {
    this.#sink?.drain?.();
  }

  /** What was sent since the last call. */
  take(): Message[] {
    return this.sent.splice(0);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(reason: CloseReason = {}): void {
    this.closeReason ??= reason;
  }

  #refuse(refusal: Refusal): "refused" {
    this.refusal = refusal;
    return "refused";
  }
}

function plainPayload(payload: Payload | Prepared): Payload {
  if (typeof payload === "string" || payload instanceof Uint8Array) return payload;
  const { bytes, isText } = payload as FramedBytes & { readonly isText: boolean };
  return isText ? new TextDecoder().decode(bytes) : bytes;
}
