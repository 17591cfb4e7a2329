import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { type Clock, PolywireError, type Random, type Timer } from "@polywire/core";
import { RESET } from "./closing.ts";
import { Keepalive, type KeptAlive } from "./keepalive.ts";
import type { CallConnection } from "./link.ts";
import type { CompleteListenOptions } from "./options.ts";
import { ConnectionPeer } from "./peer.ts";
import { RoundTrips } from "./round-trips.ts";

/** More pings a second than this are an attack. Calls that are reset in quick succession are limited by HTTP/2 itself. */
const MAX_PINGS_PER_SECOND = 100;
/** The share by which ages differ, either way (gRPC proposal A9). */
const AGE_JITTER = 0.1;

export interface ServerConnectionHost {
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly random: Random;
  /** It has made its first call. */
  readonly asked: () => void;
  readonly gone: () => void;
}

const bySession = new WeakMap<ServerHttp2Session, ServerConnection>();

/** One client's connection to a server: how long it lives, and what it may do. */
export class ServerConnection implements CallConnection, KeptAlive {
  readonly peer: ConnectionPeer;
  hasAsked = false;
  loss: PolywireError | boolean = false;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #options: CompleteListenOptions;
  readonly #host: ServerConnectionHost;
  readonly #keepalive: Keepalive | undefined;
  readonly #roundTrips: RoundTrips = new RoundTrips((answered) => {
    // Clients do not mind pings. One too many, or a session that ends: nobody will answer.
    const isSent = !this.#session.destroyed && this.#session.ping((error) => answered(error === null));
    if (!isSent) queueMicrotask(() => answered(false));
  });
  /** For the handshake, then for the time without a call. */
  #idleTimer: Timer;
  #ageTimer: Timer;
  #calls = 0;
  #second = -1;
  #pings = 0;
  #isDraining = false;

  /** The connection of this session, while it lives. */
  static of(session: ServerHttp2Session): ServerConnection | undefined {
    return bySession.get(session);
  }

  constructor(
    { session, socket }: { readonly session: ServerHttp2Session; readonly socket: Socket },
    options: CompleteListenOptions,
    host: ServerConnectionHost,
  ) {
    this.#session = session;
    this.#socket = socket;
    this.#options = options;
    this.#host = host;
    this.peer = new ConnectionPeer(socket);
    const { clock } = host;
    const { keepalive } = options;
    // Connections that came together shall not end together.
    const jitter = 1 + AGE_JITTER * (2 * host.random() - 1);
    this.#keepalive = keepalive && new Keepalive({ session, socket }, this, { clock, options: keepalive });
    this.#idleTimer = clock.setTimer(() => this.drain(), host.handshakeTimeoutMs);
    this.#ageTimer = clock.setTimer(() => this.#aged(), options.maxConnectionAgeMs * jitter);
    bySession.set(session, this);
    session.on("error", ignore);
    session.on("ping", () => this.#pinged());
    socket.on("close", () => this.#disconnected());
    session.on("close", () => this.#closed());
  }

  /** The session's other side has calls for us to lose. */
  get isBusy(): boolean {
    return this.#calls > 0;
  }

  roundTrip(answered: () => void): void {
    this.#roundTrips.ask((isAnswered) => void (isAnswered && answered()));
  }

  /** A call has arrived. */
  opened(stream: ServerHttp2Stream): void {
    if (!this.hasAsked) {
      this.hasAsked = true;
      this.#host.asked();
    }
    this.#calls++;
    this.#idleTimer.cancel();
    stream.once("close", () => {
      this.#calls--;
      if (this.#calls > 0) return;
      if (this.#isDraining) this.#cutOffSoon();
      else if (!this.#session.destroyed) this.#becameIdle();
    });
  }

  /** The call was refused: its client has the time of a close to end its side. */
  endSoon(stream: ServerHttp2Stream): void {
    const { clock, closeTimeoutMs } = this.#host;
    const timer = clock.setTimer(() => stream.close(RESET.noError), closeTimeoutMs);
    stream.once("close", () => timer.cancel());
  }

  /** Takes no more calls; it ends with the last of those under way. */
  drain(): void {
    if (this.#isDraining || this.#session.destroyed) return;
    this.#isDraining = true;
    this.#ageTimer.cancel();
    this.#session.close();
    if (this.#calls === 0) this.#cutOffSoon();
  }

  /** A client that does not take part in the end of its connection would keep the socket for long. */
  #cutOffSoon(): void {
    this.#idleTimer.cancel();
    this.#idleTimer = this.#host.clock.setTimer(() => this.#socket.destroy(), this.#host.closeTimeoutMs);
  }

  /** For the keepalive. */
  silent(error: PolywireError): void {
    this.loss = error;
    this.#session.destroy();
  }

  /** Old enough: it takes no more calls, and those under way are cut off after the grace. */
  #aged(): void {
    this.drain();
    if (this.#session.destroyed) return;
    const cutOff = (): void => this.silent(new PolywireError("connection-reset", "the connection had reached its age"));
    this.#ageTimer = this.#host.clock.setTimer(cutOff, this.#options.maxConnectionAgeGraceMs);
  }

  #becameIdle(): void {
    const { clock } = this.#host;
    this.#idleTimer = clock.setTimer(() => this.drain(), this.#options.maxConnectionIdleMs);
  }

  #pinged(): void {
    const second = Math.floor(this.#host.clock.now() / 1_000);
    if (second !== this.#second) this.#pings = 0;
    this.#second = second;
    if (++this.#pings > MAX_PINGS_PER_SECOND) this.calm("too many pings");
  }

  /** Ends a connection that asks for too much. */
  calm(reason: string): void {
    if (this.#session.destroyed) return;
    this.loss = new PolywireError("protocol-violation", `the peer was cut off: ${reason}`);
    this.#session.destroy(this.loss, RESET.enhanceYourCalm);
  }

  #disconnected(): void {
    if (this.loss === false) this.loss = true;
  }

  #closed(): void {
    if (this.loss === false) this.loss = true;
    this.#idleTimer.cancel();
    this.#ageTimer.cancel();
    this.#keepalive?.stop();
    this.#roundTrips.end(false);
    this.#host.gone();
  }
}

function ignore(): void {}
