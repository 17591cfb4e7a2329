import type { Timer } from "../contract/clock.ts";
import type { CloseInfo, CloseReason } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { HalfClosable, Link, Pingable, Refusal, SendResult, Sink, Traits } from "../contract/link.ts";
import { checkPayload, type FramedBytes, type Framing, type Payload, type Prepared } from "../contract/payload.ts";
import type { Peer } from "../contract/peer.ts";
import type { HostContext } from "../contract/protocol.ts";
import { Delivery } from "../wire/delivery.ts";
import { Outbox } from "../wire/outbox.ts";
import type { BufferReader, MemoryFraming } from "./frame.ts";
import { payloadBytes } from "./frame.ts";
import { MemoryPings } from "./pings.ts";

/** What an end of a memory link is made from. */
export interface MemoryLinkEnd {
  readonly host: HostContext;
  readonly peer: Peer;
}

export interface MemoryWire {
  readonly framing: MemoryFraming;
  /** All but the largest message, which each end has of its own. */
  readonly traits: Omit<Traits, "maxMessageBytes">;
  /** The share of messages that get lost, 0 to 1. */
  readonly loss?: number;
}

/** How far the end of one direction has come: the other side's, or both. */
interface Ending {
  readonly what: "end" | "close" | "cut";
  readonly code: number | undefined;
  readonly reason: string;
  readonly error: PolywireError | undefined;
}

/**
 * One end of a conversation inside the process. What one turn of the event loop sent arrives in the next, in memory of
 * the receiver's own; what the receiver does not read stays with the sender and counts against its limit.
 */
export class MemoryLink implements Link, HalfClosable, Pingable {
  readonly traits: Traits;
  readonly peer: Peer;
  readonly framing: Framing;
  readonly #framing: MemoryFraming;
  readonly #loss: number;
  readonly #host: HostContext;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  #other: MemoryLink = this;
  /** What the other end has handed over, from `#reader` on not read yet. */
  #arrived: readonly Uint8Array[] = [];
  #arrivedAt = 0;
  #arrivedBuffer: Uint8Array | undefined = undefined;
  #reader: BufferReader | undefined = undefined;
  #isReadingDue = false;
  #isScheduled = false;
  #ending: Ending | undefined = undefined;
  #hasOtherEnded = false;
  #isClosed = false;
  #bytesLost = 0;
  #closeTimer: Timer | undefined = undefined;
  readonly #pings = new MemoryPings((error) => this.#sinkFailed(error));
  #onClosed: (() => void) | undefined = undefined;

  private constructor(wire: MemoryWire, { host, peer }: MemoryLinkEnd) {
    this.#host = host;
    this.peer = peer;
    this.framing = wire.framing;
    this.#framing = wire.framing;
    this.#loss = wire.loss ?? 0;
    this.traits = { ...wire.traits, maxMessageBytes: host.limits.maxMessageBytes };
    this.#outbox = new Outbox(
      host.turn,
      {
        write: (buffers) => this.#other.#arrive(buffers),
        drained: () => this.#delivery.drain(),
      },
      host.limits,
    );
    this.#delivery = new Delivery({
      sinkFailed: (error) => this.#sinkFailed(error),
      endUnheard: () => this.#endUnheard(),
    });
  }

  /** Both ends of a new conversation. */
  static pair(wire: MemoryWire, one: MemoryLinkEnd, other: MemoryLinkEnd): [MemoryLink, MemoryLink] {
    const links: [MemoryLink, MemoryLink] = [new MemoryLink(wire, one), new MemoryLink(wire, other)];
    links[0].#other = links[1];
    links[1].#other = links[0];
    return links;
  }

  /** Calls back once this end is closed, whether anybody opened it or not. */
  whenClosed(callback: () => void): void {
    this.#onClosed = callback;
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    this.#schedule();
  }

  send(payload: Payload | Prepared): SendResult {
    if (typeof payload === "object" && !(payload instanceof Uint8Array)) return this.#sendPrepared(payload);
    checkPayload(payload);
    if (isOver(this.traits.maxMessageBytes, payload)) return this.#outbox.refuse("too-large");
    return this.#outbox.sendOwn(this.#framing.frame(payload));
  }

  pause(): void {
    this.#delivery.pause();
  }

  resume(): void {
    this.#delivery.resume();
    this.#schedule();
  }

  end(): void {
    if (!this.traits.halfClose)
      throw new PolywireError("unsupported", "this wire has no half-close: see link.traits.halfClose");
    this.#endWith({ what: "end", code: undefined, reason: "", error: undefined });
  }

  close(reason: CloseReason = {}): void {
    const { code, reason: text = "", discard = false } = reason;
    this.#close({ what: discard ? "cut" : "close", code, reason: text, error: undefined });
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    if (this.traits.ping === "none")
      throw new PolywireError("unsupported", "this wire has no ping: see link.traits.ping");
    this.#pings.ask(done, this.#host.clock.now());
    this.#other.#schedule();
    this.#schedule();
  }

  #sendPrepared(prepared: Prepared): SendResult {
    if (prepared?.framing !== this.framing) checkPayload(prepared);
    if (prepared.largestMessageBytes > this.traits.maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.send(prepared as FramedBytes);
  }

  #close(ending: Ending): void {
    if (this.#isClosed) return;
    const now = this.#ending?.what;
    if (now === "cut" || (now === "close" && ending.what === "close")) return;
    this.#delivery.drop();
    if (ending.what === "cut") {
      this.#bytesLost = this.#outbox.discard();
      this.#other.#isReadingDue = false;
    } else {
      this.#closeTimer = this.#host.clock.setTimer(() => this.#closeTimedOut(), this.#host.limits.closeTimeoutMs);
    }
    // A cut-off of a close under way keeps what the holder said first.
    this.#endWith(now === "close" ? { ...(this.#ending as Ending), what: "cut" } : ending);
  }

  #closeTimedOut(): void {
    this.#close({ what: "cut", code: undefined, reason: "", error: undefined });
  }

  #endWith(ending: Ending): void {
    if (this.#isClosed || (this.#ending !== undefined && ending.what === "end")) return;
    this.#ending = ending;
    this.#outbox.close();
    this.#other.#schedule();
    this.#schedule();
  }

  /** Ends this direction as well: both are over then. */
  #endUnheard(): void {
    this.#endWith({ what: "end", code: undefined, reason: "", error: undefined });
  }

  #sinkFailed(error: PolywireError): void {
    this.#host.logger.log("error", "memory", "sink threw", { error });
    this.#close({ what: "close", code: undefined, reason: "internal error", error });
  }

  /** The other end's outbox hands over. Says that it will be told when everything was read. */
  #arrive(buffers: readonly Uint8Array[]): boolean {
    this.#arrived = [...buffers];
    this.#arrivedAt = 0;
    this.#isReadingDue = true;
    this.#schedule();
    return false;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#host.turn.schedule(this.#turnEnded);
  }

  readonly #turnEnded = {
    flush: (): void => {
      this.#isScheduled = false;
      if (this.#delivery.isOpened) this.#delivery.start();
      this.#read();
      this.#takeEnding();
      this.#answerPings();
    },
  };

  #read(): void {
    while (this.#isReadingDue && !this.#isClosed && !this.#delivery.isPaused) {
      if (!this.#readOne()) {
        this.#isReadingDue = false;
        this.#arrived = [];
        this.#other.#outbox.written();
      }
    }
  }

  /** Delivers one message; false when everything that arrived was read. */
  #readOne(): boolean {
    let bytes = this.#reader?.nextBytes ?? -1;
    while (bytes === -1) {
      // Whoever kept lent bytes without a copy shall notice here, not on a wire that reuses its memory.
      this.#arrivedBuffer?.fill(0);
      const buffer = this.#arrived[this.#arrivedAt++];
      // The sender may have handed the same memory to other links.
      this.#arrivedBuffer = buffer?.slice();
      this.#reader = this.#arrivedBuffer === undefined ? undefined : this.#framing.reader(this.#arrivedBuffer);
      if (this.#reader === undefined) return false;
      bytes = this.#reader.nextBytes;
    }
    const payload = (this.#reader as BufferReader).read();
    const { kind, maxMessageBytes } = this.traits;
    if (this.#loss > 0 && this.#host.random() < this.#loss) return true;
    if (kind !== "stream" && bytes > maxMessageBytes) this.#refuseArrival(bytes);
    else this.#delivery.message(payload);
    return true;
  }

  #refuseArrival(bytes: number): void {
    const { maxMessageBytes } = this.traits;
    const message = `a message of ${bytes} bytes arrived, maxMessageBytes is ${maxMessageBytes}`;
    this.#close({ what: "close", code: undefined, reason: message, error: new PolywireError("too-large", message) });
  }

  /** Looks whether the other end has ended its direction and everything before that was read. */
  #takeEnding(): void {
    const other = this.#other;
    const ending = other.#ending;
    if (this.#isClosed || ending === undefined) return;
    if (ending.what === "cut") this.#finishBoth("network");
    else if (other.#outbox.bufferedBytes === 0 && !this.#isReadingDue) {
      if (ending.what === "close") this.#finishBoth("remote");
      else if (!this.#hasOtherEnded) {
        this.#hasOtherEnded = true;
        this.#delivery.ended();
        if (other.#hasOtherEnded) this.#finishBoth("local");
      }
    }
  }

  /** Both ends are over; `by` is this end's word for who did it, unless this end asked for it itself. */
  #finishBoth(by: CloseInfo["by"]): void {
    const mine = this.#ending;
    const theirs = this.#other.#ending;
    const isMine = mine !== undefined && mine.what !== "end";
    const isTheirs = theirs !== undefined && theirs.what !== "end";
    const wasCut = mine?.what === "cut" || theirs?.what === "cut";
    this.#finish(isMine ? "local" : by, isMine ? mine : theirs, wasCut);
    this.#other.#finish(isTheirs ? "local" : "remote", isTheirs ? theirs : mine, wasCut);
  }

  #finish(by: CloseInfo["by"], ending: Ending | undefined, wasCut: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeTimer?.cancel();
    const bytesLost = this.#bytesLost + this.#outbox.discard();
    this.#arrived = [];
    this.#reader = undefined;
    this.#arrivedBuffer = undefined;
    const { code, reason = "" } = ending ?? {};
    // A link that is cut off says nothing any more.
    const isTold = by === "local" || (by === "remote" && this.traits.closeCodes);
    const reset = by === "network" ? new PolywireError("connection-reset", "the peer cut the link off") : undefined;
    const error = by === "local" ? ending?.error : reset;
    this.#delivery.closed({
      by,
      clean: !wasCut && bytesLost === 0 && error === undefined,
      ...(isTold && code !== undefined && { code }),
      reason: isTold ? reason : "",
      retryable: by !== "local",
      bytesLost,
      ...(error !== undefined && { error }),
    });
    this.#onClosed?.();
    this.#schedule();
  }

  #answerPings(): void {
    if (this.#isClosed) return this.#pings.abandon();
    if (this.#other.#pings.answer()) this.#other.#schedule();
    this.#pings.tell(this.#host.clock.now());
  }
}

function isOver(maxBytes: number, payload: Payload): boolean {
  // A string has one to three times as many bytes as UTF-16 units: mostly its length is enough to tell.
  if (payload.length > maxBytes) return true;
  return typeof payload === "string" && payload.length * 3 > maxBytes && payloadBytes(payload) > maxBytes;
}
