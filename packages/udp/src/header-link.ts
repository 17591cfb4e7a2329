import { type Pingable, Pings, PolywireError, type Timer } from "@polywire/core";
import type { DropReason } from "./drops.ts";
import { DatagramLink, type LinkPlace, type LocalEnd, lostError, type Outcome } from "./link.ts";
import { type ConnectionId, packet, pingPacket, pingToken, TYPE, typeOf } from "./packet.ts";

/** After so much silence the peer is asked for a sign of life. */
const KEEPALIVE_MS = 15_000;
/** A link that is over answers its peer for so long, whose last packets may have crossed ours or got lost. */
const LINGER_MS = 1_000;
const PING_TIMEOUT_MS = 8_000;
const OWN_PING = 0;

/** The two ends of a conversation. */
export interface LinkIds {
  /** What the peer writes on its datagrams. */
  readonly own: ConnectionId;
  /** What we write on ours. */
  readonly peer: ConnectionId;
}

/** A link whose datagrams have a header. */
export abstract class HeaderLink extends DatagramLink implements Pingable {
  readonly ids: LinkIds;
  readonly #pings: Pings;
  #heardAtMs: number;
  #askedAtMs: number;
  #alarm: Timer | undefined = undefined;
  #alarmAtMs = Infinity;
  #wasCut = false;

  constructor(place: LinkPlace, ids: LinkIds) {
    super(place);
    this.ids = ids;
    this.#pings = new Pings(place.host.clock, PING_TIMEOUT_MS, this);
    this.#heardAtMs = this.now;
    this.#askedAtMs = this.#heardAtMs;
  }

  /** Data, acknowledgements and closes. Says why it is of no use, if it is. */
  protected abstract take(type: number, datagram: Buffer): DropReason | undefined;
  /** The link is over, and its peer repeats itself. */
  protected abstract answerLate(type: number, datagram: Buffer): void;
  /** When `tick` has something to do. */
  protected abstract readonly dueMs: number;
  protected abstract tick(nowMs: number): void;
  /** Bytes that were accepted and that the peer may not have. */
  protected abstract forget(): number;
  /** The peer knows nothing of this link: true if it had everything before it forgot. */
  protected abstract readonly isDone: boolean;

  protected get now(): number {
    return this.host.clock.now();
  }

  /** A datagram of the peer, its header checked. */
  arrived(datagram: Buffer): void {
    const type = typeOf(datagram);
    if (this.isOver) return this.#late(type, datagram);
    this.#heardAtMs = this.now;
    const drop = this.#take(type, datagram);
    if (drop !== undefined) this.place.dropped(drop);
    this.arm();
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    const token = this.#pings.add(done, !this.isOver && this.ending === undefined);
    if (token !== undefined) this.way.transmit(pingPacket(TYPE.ping, this.ids.peer, token));
  }

  /** Asks the peer for a sign of life. */
  probe(): void {
    this.#askedAtMs = this.now;
    this.way.transmit(pingPacket(TYPE.ping, this.ids.peer, OWN_PING));
  }

  /** The peer, or the system for it, says that it knows nothing of this link. */
  unknownToPeer(error: PolywireError): void {
    if (this.isOver) return;
    if (this.ending !== undefined) {
      const isDone = this.isDone;
      const bytesLost = this.forget();
      this.over({ ...this.ending, by: "local", clean: isDone, bytesLost: isDone ? 0 : bytesLost });
    } else {
      this.over({ by: "network", clean: false, bytesLost: this.forget(), error });
    }
  }

  failed(error: Error & { code?: string }): void {
    if (error.code === "EMSGSIZE") this.place.dropped("tooLarge");
    else this.unknownToPeer(lostError(error));
  }

  /** Looks after time from here on. */
  arm(): void {
    if (this.isOver) return;
    const { idleTimeoutMs } = this.place.options;
    const quietSinceMs = Math.max(this.#heardAtMs, this.#askedAtMs);
    const dueMs = Math.min(this.dueMs, quietSinceMs + this.#keepaliveMs, this.#heardAtMs + idleTimeoutMs);
    // One that rings too early is set again then; most never ring.
    if (dueMs >= this.#alarmAtMs) return;
    this.#alarm?.cancel();
    this.#alarmAtMs = dueMs;
    this.#alarm = this.host.clock.setTimer(this.#ring, Math.max(dueMs - this.now, 0));
  }

  protected override cut(end: LocalEnd): void {
    this.#wasCut = true;
    this.way.transmit(packet(TYPE.reset, this.ids.peer, 0));
    this.over({ ...end, by: "local", clean: false, bytesLost: this.forget() });
  }

  /** The end. The link answers late datagrams for a while, so that its peer comes to the same end. */
  protected over(outcome: Outcome): void {
    if (this.isOver) return;
    this.#alarm?.cancel();
    this.finish(outcome);
    this.#pings.abandon();
    this.way.linger();
    this.host.clock.setTimer(() => {
      this.way.leave();
      this.place.forgotten();
    }, LINGER_MS);
  }

  get #keepaliveMs(): number {
    return Math.min(KEEPALIVE_MS, this.place.options.idleTimeoutMs / 4);
  }

  #take(type: number, datagram: Buffer): DropReason | undefined {
    switch (type) {
      case TYPE.ping:
        this.way.transmit(pingPacket(TYPE.pong, this.ids.peer, pingToken(datagram)));
        return this.take(type, datagram);
      case TYPE.pong:
        this.#pings.answered(pingToken(datagram));
        return undefined;
      case TYPE.reset:
        this.unknownToPeer(new PolywireError("connection-reset", "the peer cut the link off"));
        return undefined;
      default:
        return this.take(type, datagram);
    }
  }

  #late(type: number, datagram: Buffer): void {
    if (type === TYPE.pong || type === TYPE.reset) return;
    if (this.#wasCut) this.way.transmit(packet(TYPE.reset, this.ids.peer, 0));
    else this.answerLate(type, datagram);
  }

  readonly #ring = (): void => {
    this.#alarmAtMs = Infinity;
    const nowMs = this.now;
    const { idleTimeoutMs } = this.place.options;
    if (nowMs - this.#heardAtMs >= idleTimeoutMs) {
      const message = `the peer gave no sign of life for ${idleTimeoutMs} ms: it is gone or unreachable`;
      return this.unknownToPeer(new PolywireError("timed-out", message));
    }
    if (nowMs >= Math.max(this.#heardAtMs, this.#askedAtMs) + this.#keepaliveMs) this.probe();
    this.tick(nowMs);
    this.arm();
  };
}
