import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { type Clock, PolywireError, type Timer } from "@polywire/core";
import { RESET } from "./closing.ts";
import { Keepalive, type KeptAlive } from "./keepalive.ts";
import type { CallConnection } from "./link.ts";
import type { CompleteListenOptions } from "./options.ts";
import { ConnectionPeer, socketOf } from "./peer.ts";

/** More pings or resets a second than this are an attack. */
const MAX_PINGS_PER_SECOND = 100;
const MAX_RESETS_PER_SECOND = 200;

export interface ServerConnectionHost {
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
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
  readonly #options: CompleteListenOptions;
  readonly #host: ServerConnectionHost;
  readonly #keepalive: Keepalive | undefined;
  /** For the handshake, then for the time without a call. */
  #idleTimer: Timer;
  #ageTimer: Timer;
  #calls = 0;
  #second = -1;
  #pings = 0;
  #resets = 0;
  #isDraining = false;

  /** The connection of this session, while it lives. */
  static of(session: ServerHttp2Session): ServerConnection | undefined {
    return bySession.get(session);
  }

  constructor(session: ServerHttp2Session, options: CompleteListenOptions, host: ServerConnectionHost) {
    this.#session = session;
    this.#options = options;
    this.#host = host;
    const socket = socketOf(session);
    this.peer = new ConnectionPeer(socket);
    const { clock } = host;
    const keepalive = options.keepalive;
    this.#keepalive = keepalive && new Keepalive({ session, socket }, this, { clock, options: keepalive });
    this.#idleTimer = clock.setTimer(() => this.#session.destroy(), host.handshakeTimeoutMs);
    this.#ageTimer = clock.setTimer(() => this.#aged(), options.maxConnectionAgeMs);
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
      if (stream.rstCode === RESET.cancel) this.#wasReset();
      if (this.#calls === 0 && !this.#session.destroyed) this.#becameIdle();
    });
  }

  /** Takes no more calls; it ends with the last of those under way. */
  drain(): void {
    if (this.#isDraining || this.#session.destroyed) return;
    this.#isDraining = true;
    this.#ageTimer.cancel();
    this.#session.close();
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
    this.#tick();
    if (++this.#pings > MAX_PINGS_PER_SECOND) this.calm("too many pings");
  }

  #wasReset(): void {
    this.#tick();
    if (++this.#resets > MAX_RESETS_PER_SECOND) this.calm("too many cancelled calls");
  }

  #tick(): void {
    const second = Math.floor(this.#host.clock.now() / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    this.#pings = 0;
    this.#resets = 0;
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
    this.#host.gone();
  }
}

function ignore(): void {}
