import { Backlog } from "./backlog.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";

/** How much of a client's queue may be held back for it while it is behind. */
const BACKLOG_SHARE = 0.25;

/** What waits for one client: in its link, where it is only counted, and what is held back until it has caught up. */
export class ClientQueue {
  readonly #session: Session;
  #isBehind = false;
  #ownBytes = 0;
  #backlog: Backlog | undefined = undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The client does not take what it is told as fast as it comes. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Everything that waits. */
  get bytes(): number {
    return this.#session.outlet.bufferedBytes + (this.#backlog?.bytes ?? 0);
  }

  /** The most of it that is for nobody else: answers, and messages to this client. */
  get ownBytes(): number {
    return this.#ownBytes;
  }

  /** What is held back. */
  get backlog(): Backlog {
    const { settings, counters } = this.#session.parts;
    const maxBytes = Math.ceil(settings.limits.outboundBytesPerSession * BACKLOG_SHARE);
    this.#backlog ??= new Backlog(maxBytes, counters);
    return this.#backlog;
  }

  /** The outlet said `wait`. Returns true: what it said it of is on its way. */
  fellBehind(): true {
    if (this.#isBehind) return true;
    this.#isBehind = true;
    this.#session.parts.outbound.fellBehind(this.#session);
    return true;
  }

  caughtUp(): void {
    const session = this.#session;
    if (!this.#isBehind || session.isClosed) return;
    this.#isBehind = false;
    session.parts.outbound.caughtUp(session);
    this.#backlog?.release((subscription, event) => {
      subscription.tellOrSkip(event);
      return !this.#isBehind && !session.isClosed;
    });
  }

  /**
   * Something was said to this client alone.
   *
   * @param before what waited in its link until then.
   */
  said(before: number): void {
    const bytes = this.#session.outlet.bufferedBytes - before;
    if (bytes <= 0) return;
    this.#ownBytes = before === 0 ? bytes : this.#ownBytes + bytes;
    this.#session.parts.outbound.said(bytes);
  }

  /** Nothing that is held back is told of this channel any more. */
  forget(subscription: Subscription): void {
    this.#backlog?.forget(subscription);
  }

  /** Nothing is told any more. */
  end(): void {
    this.#backlog = undefined;
    this.#session.parts.outbound.caughtUp(this.#session);
  }
}
