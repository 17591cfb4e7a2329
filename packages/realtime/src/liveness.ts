import { DISCONNECTS } from "./codes.ts";
import type { Pings } from "./requests.ts";
import type { Session } from "./session.ts";
import type { WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** The deadlines of one session: to connect, and to answer each ping. It has one place in the wheel for all of them. */
export class Liveness implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #session: Session;
  /** What the wheel's next call is about: the pong to a ping, or the next ping. */
  #isPongDue = false;
  #isPongAwaited = false;
  #arePingsAnswered = true;

  constructor(session: Session) {
    this.#session = session;
    const { wheel, settings } = session.parts;
    wheel.schedule(this, settings.limits.connectTimeoutMs);
  }

  /** Pings begin. The first falls at random into the second half of the interval, so that they are spread. */
  connected(pings: Pings): void {
    const { wheel, settings, random } = this.#session.parts;
    const { intervalMs } = settings.pings;
    this.#arePingsAnswered = pings === "answered";
    if (intervalMs === 0 || pings === "none") wheel.cancel(this);
    else wheel.schedule(this, intervalMs * (0.5 + random() / 2));
  }

  /** False: nobody asked for it. */
  pong(): boolean {
    const wasAwaited = this.#isPongAwaited;
    this.#isPongAwaited = false;
    return wasAwaited;
  }

  end(): void {
    this.#session.parts.wheel.cancel(this);
  }

  /** The wheel's call. */
  due(): void {
    const { stage, parts, outlet } = this.#session;
    const { intervalMs, timeoutMs } = parts.settings.pings;
    if (stage !== "connected") return this.#waitedFor(parts.settings.limits.connectTimeoutMs);
    if (!this.#arePingsAnswered) {
      parts.wheel.schedule(this, intervalMs);
      return outlet.ping();
    }
    if (this.#isPongDue) return this.#isPongAwaited ? this.#waitedFor(timeoutMs) : this.#pongCame();
    this.#isPongDue = true;
    this.#isPongAwaited = true;
    parts.wheel.schedule(this, timeoutMs);
    outlet.ping();
  }

  #pongCame(): void {
    const { wheel, settings } = this.#session.parts;
    const { intervalMs, timeoutMs } = settings.pings;
    this.#isPongDue = false;
    wheel.schedule(this, intervalMs - timeoutMs);
  }

  /**
   * The client has had its time to connect or to answer a ping. But while this process stood still it read nothing: then
   * the client gets that time once more, and in any case what lies ready to be read is read first.
   */
  #waitedFor(timeMs: number): void {
    const { wheel, counters, clock } = this.#session.parts;
    if (wheel.stallMs === 0) return clock.endOfTurn(() => this.#endIfSilent());
    counters.stallsForgiven++;
    wheel.schedule(this, timeMs);
  }

  #endIfSilent(): void {
    const session = this.#session;
    switch (session.stage) {
      case "new":
      case "refused":
        return session.disconnect(DISCONNECTS.stale);
      case "connecting":
        // We are still working on its connect: the client is not to blame, so it may come back.
        return session.disconnect(DISCONNECTS.internal);
      case "connected":
        // It may have connected just now.
        if (this.#isPongAwaited) session.disconnect(DISCONNECTS.noPong);
        else if (this.#isPongDue) this.#pongCame();
        return;
      case "closed":
        return;
    }
  }
}
