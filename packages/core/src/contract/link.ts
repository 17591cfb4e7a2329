import type { CloseInfo, CloseReason } from "./close.ts";
import type { Framing, Payload, Prepared } from "./payload.ts";
import type { Peer } from "./peer.ts";

/**
 * What a wire truly promises. Whatever a program may rely on is here; the conformance kit holds a protocol to every
 * trait it claims, and nothing may branch on a protocol's name instead.
 */
export interface Traits {
  /**
   * `stream`: bytes without boundaries. `datagram`: messages that may be lost or reordered. `message`: whole messages.
   * `request`: exchanges only.
   */
  readonly kind: "stream" | "datagram" | "message" | "request";
  /** Messages arrive in the order they were sent. */
  readonly ordered: boolean;
  /** Nothing is lost while the link is open. */
  readonly reliable: boolean;
  /** The link is {@link HalfClosable}: one side may end while the other goes on. */
  readonly halfClose: boolean;
  /** The link is {@link Pingable}: by the wire itself (`native`), by a probe of the plugin's own, or not at all. */
  readonly ping: "native" | "probe" | "none";
  /** Text and binary messages are told apart at the other side. */
  readonly text: boolean;
  /** The code and reason of a close reach the other side. Where they do not, a dialect has to tell them in its own words. */
  readonly closeCodes: boolean;
  /**
   * A dial ends with the other side's verdict, so that a refusal rejects it and names the status. Without it a refused
   * peer has its link closed, or hears nothing at all.
   */
  readonly handshake: boolean;
  /** What a message may hold: `any` bytes, or one `line` of UTF-8 text, without line breaks; other payloads throw. */
  readonly content: "any" | "line";
  /**
   * Links to one endpoint share a connection, so that a link costs no dial of its own, and ends without the others. Absent
   * where each has its own.
   */
  readonly multiplexed?: boolean;
  /**
   * The two bodies of an exchange flow at the same time: a response may begin, and be read, while its request is still being
   * sent, and each waits for its own reader alone. Absent where a request is whole before it is answered.
   */
  readonly duplex?: boolean;
  /** The largest message in bytes, both ways. A larger `send` is refused; a larger arrival closes the link. */
  readonly maxMessageBytes: number;
}

/**
 * What became of a {@link Link.send}.
 *
 * - `sent`: accepted; it leaves in order with everything else sent on the link.
 * - `wait`: accepted too, but the peer is behind. Stop if you can: `Sink.drain` comes once it caught up.
 * - `refused`: not accepted, nothing of it will be sent. {@link Link.refusal} says why.
 */
export type SendResult = "sent" | "wait" | "refused";

/** Why a `send` was refused: the link is closed, the message is over the limit, or the buffer would be. */
export type Refusal = "closed" | "too-large" | "overflow";

/**
 * One physical conversation, made by a protocol plugin. Single use: once closed it stays closed.
 *
 * Everything on the data path is synchronous: no promise, closure or object is made per message.
 */
export interface Link {
  /** What this very link promises; it overrides what the protocol said of its endpoint. */
  readonly traits: Traits;
  readonly peer: Peer;
  /** How the link frames. Absent where no two links frame alike; then there is nothing to share. */
  readonly framing?: Framing | undefined;

  /**
   * Names the receiver of everything the link delivers. Nothing is read from the wire before, nothing is delivered
   * before this returns, and a second call throws `invalid-state`.
   */
  open(sink: Sink): void;

  /**
   * Accepts or refuses one message (or prepared messages) at once and never throws for the state of the network. What
   * was accepted leaves in the order of the calls; all of one turn of the event loop leaves together. A `Prepared` of
   * another framing, and anything that is no payload, throws `invalid-argument`.
   */
  send(payload: Payload | Prepared): SendResult;

  /** Why the last `send` was refused, if one was. */
  readonly refusal: Refusal | undefined;

  /** No message is delivered from here to `resume`, even if a chunk with several messages is half read. */
  pause(): void;
  resume(): void;

  /** Bytes accepted by `send` that the operating system has not taken yet: counted here, not asked of the socket. */
  readonly bufferedBytes: number;

  /**
   * Begins to close: what was accepted is sent first, unless the reason says to discard it. Idempotent, but for a later
   * call that discards, which cuts the waiting short. Allowed inside any callback. `Sink.closed` follows, exactly once, after a bounded time.
   */
  close(reason?: CloseReason): void;
}

/**
 * The receiver of a link. Calls come one after the other, never inside another call of the same sink, and never after
 * `closed`. What it throws, or rejects with if it is async, is caught, reported, and closes the link; it
 * never reaches the event loop.
 */
export interface Sink {
  message(payload: Payload): void;
  /** The peer has caught up after a `send` that said `wait`. */
  drain?(): void;
  /**
   * The peer has ended its side; sending is still possible. Only where `traits.halfClose`. A sink without this function,
   * or one that answers `false`, has no use for half a link: it is closed then, and by the peer. A wire that knows only
   * one kind of end tells a close of the peer's in this way too.
   */
  ended?(): void | false;
  /** The link is gone. Comes exactly once for every opened link, after the last message. */
  closed(info: CloseInfo): void;
}

/** A link whose own direction can end while the other goes on. Promised by `traits.halfClose`. */
export interface HalfClosable {
  /** Sends what was accepted, then the end. `send` refuses from here on. */
  end(): void;
}

/** A link that can measure its round trip. Promised by `traits.ping`. */
export interface Pingable {
  /**
   * Asks the peer for a sign of life; `done` gets the round trip in milliseconds, or `undefined` if the link closed or
   * the plugin's deadline passed first. It is called exactly once, never before `ping` returns.
   */
  ping(done: (roundTripMs: number | undefined) => void): void;
}
