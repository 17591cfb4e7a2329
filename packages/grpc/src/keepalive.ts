import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Clock, PolywireError, type Timer } from "@polywire/core";

export interface KeepaliveOptions {
  /** Silence after which the peer is pinged, in milliseconds. 30,000. */
  readonly intervalMs: number;
  /** How long its answer may take, in milliseconds. 10,000. */
  readonly timeoutMs: number;
}

/** What a connection tells its keepalive, and hears from it. */
export interface KeptAlive {
  /** Calls under way: without any, a client's pings would only annoy the server. */
  readonly isBusy: boolean;
  silent(error: PolywireError): void;
}

/** Finds a peer that is gone without a word, by an HTTP/2 ping after a silence. */
export class Keepalive {
  readonly #session: Http2Session;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #options: KeepaliveOptions;
  readonly #owner: KeptAlive;
  #timer: Timer;
  #bytesRead = 0;
  #isOver = false;

  constructor(
    { session, socket }: { session: Http2Session; socket: Socket },
    owner: KeptAlive,
    { clock, options }: { clock: Clock; options: KeepaliveOptions },
  ) {
    this.#session = session;
    this.#socket = socket;
    this.#clock = clock;
    this.#options = options;
    this.#owner = owner;
    this.#timer = this.#setTimer();
  }

  stop(): void {
    this.#isOver = true;
    this.#timer.cancel();
  }

  #setTimer(): Timer {
    return this.#clock.setTimer(() => this.#check(), this.#options.intervalMs);
  }

  #check(): void {
    if (this.#isOver) return;
    const { bytesRead } = this.#socket;
    const wasHeard = bytesRead !== this.#bytesRead;
    this.#bytesRead = bytesRead;
    if (wasHeard || !this.#owner.isBusy) this.#timer = this.#setTimer();
    else this.#ping();
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    const { timeoutMs } = this.#options;
    this.#timer = this.#clock.setTimer(() => {
      const problem = `the peer gave no sign of life within ${timeoutMs} ms: it is gone or unreachable`;
      this.#owner.silent(new PolywireError("timed-out", problem));
    }, timeoutMs);
    const isSent = this.#session.ping(() => {
      if (this.#isOver) return;
      this.#timer.cancel();
      this.#bytesRead = this.#socket.bytesRead;
      this.#timer = this.#setTimer();
    });
    // One is under way already, or the session is ending: its own end is near.
    if (!isSent) this.#owner.silent(new PolywireError("timed-out", "too many pings wait for the peer's answer"));
  }
}
