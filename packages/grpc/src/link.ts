import type { Http2Stream, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import {
  type Clock,
  type CloseReason,
  checkPayload,
  Delivery,
  type DeliveryOwner,
  type FramedBytes,
  type Framing,
  type HalfClosable,
  type Link,
  type LinkLimits,
  type Logger,
  Outbox,
  type OutboxWire,
  type Payload,
  type Peer,
  type Pingable,
  Pings,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Timer,
  type Traits,
  type Turn,
} from "@polywire/core";
import { foreignAnswer, HALF_HEADER, statusOf } from "./answer.ts";
import { closeInfo, type Ending, RESET } from "./closing.ts";
import { frame, grpcFraming, isOver, MessageDecoder } from "./frame.ts";
import { Incoming, type IncomingOwner } from "./incoming.ts";
import { headerOf } from "./metadata.ts";
import { type CallStatus, codeOfError, encodeMessage, GRPC_STATUS } from "./status.ts";

/** What the links of one listener have in common, and what one dialled link has for itself. */
export interface LinkPlace {
  readonly traits: Traits;
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly logger: Logger;
  readonly isServer: boolean;
}

/** The connection that a call runs on. */
export interface CallConnection {
  /** The connection is gone; the error if we know why. */
  readonly loss: PolywireError | boolean;
  /** Clients: calls back once the server has read all that was sent so far, or with false if it never will. */
  settle?(done: (isSettled: boolean) => void): void;
  /** Asks the peer for a sign of life; without one it never calls back. Never before it returns. */
  roundTrip(answered: () => void): void;
}

export interface LinkParts {
  readonly peer: Peer;
  readonly place: LinkPlace;
  readonly connection: CallConnection;
  /** `grpc-encoding` of the peer. */
  readonly encoding: string | undefined;
  /** The stream is gone, after `closed`. */
  readonly gone: () => void;
  /** Servers: with which status a peaceful end leaves. OK by default. */
  readonly status?: CallStatus;
}

/** As long as the keepalive waits. */
const PING_TIMEOUT_MS = 10_000;
const OK: CallStatus = { code: GRPC_STATUS.OK, message: "" };

/** One gRPC call as a conversation: a stream of messages each way. */
export class GrpcLink implements Link, HalfClosable, Pingable, OutboxWire, DeliveryOwner, IncomingOwner {
  readonly peer: Peer;
  readonly #place: LinkPlace;
  readonly #connection: CallConnection;
  readonly #stream: Http2Stream;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #decoder: MessageDecoder;
  readonly #incoming: Incoming;
  readonly #gone: () => void;
  readonly #peaceful: CallStatus;
  #isHandedOver = false;
  /** The holder has ended our direction. */
  #isEnded = false;
  #isEndSent = false;
  #isOver = false;
  #ending: Ending | undefined = undefined;
  #status: CallStatus | undefined = undefined;
  #isHalf = false;
  #bytesLost = 0;
  #writes = 0;
  #closeTimer: Timer | undefined = undefined;
  #pings: Pings | undefined = undefined;
  readonly #onWritten = (): void => this.#written();

  /** @param stream open, its head sent and received, and not read yet. */
  constructor(stream: Http2Stream, { peer, place, connection, encoding, gone, status = OK }: LinkParts) {
    this.#peaceful = status;
    this.peer = peer;
    this.#place = place;
    this.#connection = connection;
    this.#stream = stream;
    this.#gone = gone;
    this.#outbox = new Outbox(place.turn, this, place.limits);
    this.#delivery = new Delivery(this);
    this.#decoder = new MessageDecoder(place.limits.maxMessageBytes, encoding);
    this.#incoming = new Incoming(stream, { delivery: this.#delivery, decoder: this.#decoder, owner: this });
    stream.on("close", () => this.#lost());
    stream.on("error", ignore);
    if (!place.traits.handshake) stream.on("response", (head: IncomingHttpHeaders) => this.#answered(head));
    if (place.isServer) stream.on("wantTrailers", () => this.#sendTrailers());
    else stream.on("trailers", (headers: IncomingHttpHeaders) => this.#ends(headers));
  }

  get traits(): Traits {
    return this.#place.traits;
  }

  get framing(): Framing {
    return grpcFraming;
  }

  get refusal(): Refusal | undefined {
    return this.#outbox.refusal;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  /** The listener or dialler has passed the link on. Nothing is read until it is opened. */
  handOver(): void {
    this.#isHandedOver = true;
    if (this.#delivery.isOpened) this.#start();
  }

  open(sink: Sink): void {
    this.#delivery.open(sink);
    if (this.#isHandedOver) queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#delivery.start();
    this.#incoming.read();
  }

  /** Reading goes on until a message waits: a holder that only sends still hears of the end. */
  pause(): void {
    this.#delivery.pause();
  }

  resume(): void {
    this.#delivery.resume();
    if (this.#delivery.isOpened) this.#incoming.read();
  }

  send(payload: Payload | Prepared): SendResult {
    if (typeof payload === "string" || payload instanceof Uint8Array || payload?.framing !== grpcFraming) {
      checkPayload(payload);
      if (!this.#isOpen) return this.#outbox.refuse("closed");
      if (isOver(this.#place.limits.maxMessageBytes, payload)) return this.#outbox.refuse("too-large");
      return this.#outbox.sendOwn(frame(payload));
    }
    if (!this.#isOpen) return this.#outbox.refuse("closed");
    if (payload.largestMessageBytes > this.#place.limits.maxMessageBytes) return this.#outbox.refuse("too-large");
    return this.#outbox.send(payload as FramedBytes);
  }

  get #isOpen(): boolean {
    return this.#ending === undefined && !this.#isEnded && this.#stream.writable;
  }

  /** For the outbox. The stream says when the peer's flow control let it pass. */
  write(buffers: readonly Uint8Array[]): boolean {
    const stream = this.#stream;
    this.#writes++;
    // What is left is counted as lost when the stream is gone.
    if (!stream.writable) return false;
    const last = buffers.length - 1;
    if (last > 0) stream.cork();
    for (let index = 0; index < last; index++) stream.write(buffers[index]);
    stream.write(buffers[last], this.#onWritten);
    if (last > 0) stream.uncork();
    return false;
  }

  #written(): void {
    if (this.#isOver || this.#stream.destroyed) return;
    this.#outbox.written();
    if (this.#outbox.bufferedBytes === 0 && (this.#isEnded || this.#ending !== undefined)) this.#sendEnd();
  }

  /** For the outbox. */
  drained(): void {
    this.#delivery.drain();
  }

  /** Of the connection, which the link shares with other calls to the same server. */
  ping(done: (roundTripMs: number | undefined) => void): void {
    this.#pings ??= new Pings(this.#place.clock, PING_TIMEOUT_MS, this);
    const token = this.#pings.add(done, !this.#isOver && this.#ending === undefined);
    if (token !== undefined) this.#connection.roundTrip(() => this.#pings?.answered(token));
  }

  end(): void {
    if (!this.traits.halfClose)
      throw new PolywireError("unsupported", "this link only sends, so its end is its close: use link.close()");
    if (this.#isEnded || this.#ending !== undefined || this.#isOver) return;
    this.#isEnded = true;
    this.#outbox.close();
    if (this.#outbox.bufferedBytes === 0) this.#sendEnd();
  }

  close(reason: CloseReason = {}): void {
    const { code, reason: text = "", discard = false } = reason;
    if (this.#isOver) {
      // Only messages that a pause holds back can still be on their way.
      if (!this.#delivery.isClosed) queueMicrotask(() => this.#delivery.drop());
      return;
    }
    if (this.#ending === undefined) this.#end({ code, reason: text, error: undefined });
    else this.#delivery.drop();
    if (discard) this.#abandon();
  }

  /** Messages in and out, for who watches for silence. */
  get activity(): number {
    return this.#writes + this.#decoder.messages;
  }

  /** Ends the link with an error of ours, which the peer is told. */
  stop(error: PolywireError): void {
    this.#fail(error, error.message);
  }

  /** For delivery: the peer has ended, and nobody wants to go on alone. Its end and ours make the call whole. */
  endUnheard(): void {
    this.end();
  }

  /** For delivery: a program's bug, so the peer is told that it is ours. */
  sinkFailed(error: PolywireError): void {
    this.#place.logger.log("error", "grpc", "program code threw", { error });
    this.#fail(error, "internal error");
  }

  #fail(error: PolywireError, reason: string): void {
    if (!this.#isOver && this.#ending === undefined) this.#end({ code: undefined, reason, error });
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#outbox.close();
    this.#delivery.drop();
    const { clock, limits } = this.#place;
    this.#closeTimer = clock.setTimer(() => this.#abandon(), limits.closeTimeoutMs);
    this.#incoming.stop();
    if (this.#outbox.bufferedBytes === 0) this.#sendEnd();
  }

  /** Everything accepted has left: now the end does. */
  #sendEnd(): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const isClose = this.#ending !== undefined;
    if (this.#place.isServer) {
      if (!stream.writableEnded) stream.end();
      else if (isClose) this.#reset();
    } else if (stream.writableFinished) {
      if (isClose) this.#reset();
    } else if (!stream.writableEnded) {
      stream.end(() => {
        if (this.#ending !== undefined) this.#reset();
      });
    }
  }

  /** A client has no trailers: the reset behind its end says that it does not wait for more. */
  #reset(): void {
    this.#isEndSent = true;
    this.#stream.close(this.#ending?.error === undefined ? RESET.noError : RESET.cancel);
  }

  #sendTrailers(): void {
    const { error, reason } = this.#ending ?? {};
    const isHalf = this.#ending === undefined && !this.#incoming.hasEnded;
    this.#isEndSent = true;
    (this.#stream as ServerHttp2Stream).sendTrailers({
      "grpc-status": String(error === undefined ? this.#peaceful.code : codeOfError(error)),
      ...(error !== undefined && { "grpc-message": encodeMessage(reason ?? "") }),
      ...(isHalf && { [HALF_HEADER]: "1" }),
    });
  }

  /** Over for the holder at once. */
  #abandon(): void {
    this.#bytesLost += this.#outbox.discard();
    const wasEndSent = this.#isEndSent && this.#bytesLost === 0;
    this.#isEndSent = false;
    // A server that has said how it ends only stops waiting for the client to agree.
    this.#stream.close(wasEndSent ? RESET.noError : RESET.cancel);
    queueMicrotask(() => this.#finish());
  }

  /** From the incoming half. */
  unreadable(error: PolywireError): void {
    this.#fail(error, error.message);
  }

  /** From the incoming half: the peer's last message was delivered, and then its direction ended. */
  peerEnded(isTruncated: boolean): void {
    // A reset: what it means is told when the stream is gone.
    if (this.#stream.closed && this.#status === undefined) return;
    if (isTruncated) {
      const problem = "the call ended in the middle of a message";
      this.#fail(new PolywireError("protocol-violation", problem), problem);
      return;
    }
    const isOk = this.#place.isServer || this.#status?.code === GRPC_STATUS.OK;
    const isPeerOver = !this.#place.isServer && !this.#isHalf;
    if (isOk && this.traits.halfClose && (this.#isEnded || !isPeerOver)) this.#delivery.ended();
    if (!isPeerOver || this.#ending !== undefined || this.#stream.closed) return;
    this.#outbox.close();
    this.#stream.close(RESET.noError);
  }

  /** From a server that was not waited for: whether it took the call. */
  #answered(head: IncomingHttpHeaders): void {
    const foreign = foreignAnswer(head, "the call");
    if (foreign !== undefined) return this.#fail(foreign, foreign.message);
    this.#decoder.encoding = headerOf(head, "grpc-encoding");
    if (statusOf(head) !== undefined) this.#ends(head);
  }

  /** From a server: how the call ends. */
  #ends(headers: IncomingHttpHeaders): void {
    this.#status = statusOf(headers);
    this.#isHalf = headers[HALF_HEADER] !== undefined;
  }

  #lost(): void {
    if (!this.#isOver && this.#ending === undefined) this.#incoming.flush();
    if (this.#isOver || !this.#isEndSent || this.#connection.settle === undefined) {
      this.#finish();
      this.#gone();
      return;
    }
    // A reset is not answered: an end is agreed on once the server is known to have read it.
    this.#connection.settle((isSettled) => {
      this.#isEndSent &&= isSettled;
      this.#finish();
      this.#gone();
    });
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pings?.abandon();
    this.#closeTimer?.cancel();
    this.#bytesLost += this.#outbox.discard();
    this.#delivery.closed(
      closeInfo({
        ending: this.#ending,
        isEndSent: this.#isEndSent,
        status: this.#status,
        resetCode: this.#stream.rstCode ?? RESET.noError,
        loss: this.#connection.loss,
        isServer: this.#place.isServer,
        bytesLost: this.#bytesLost,
      }),
    );
  }
}

/** The stream's `close` tells of the end, whatever its error was. */
function ignore(): void {}
