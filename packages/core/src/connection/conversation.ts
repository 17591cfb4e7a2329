import type { CloseInfo } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { HalfClosable, Link, Pingable, SendResult, Sink } from "../contract/link.ts";
import type { Payload, Prepared } from "../contract/payload.ts";
import type { HealthChange } from "../health/health-record.ts";
import { LinkVitals, type VitalsOwner } from "../health/link-vitals.ts";
import { Stopwatch } from "../health/stopwatch.ts";
import type { QualityChange } from "../quality/quality-meter.ts";
import type { Connection, ConnectionHost, ConnectionParts, ConnectionRefusal } from "./connection.ts";
import type { ConnectionEvents } from "./connection-events.ts";
import { Events } from "./events.ts";
import { discardLink, type KeeperOwner, LinkKeeper } from "./link-keeper.ts";
import { PendingSends } from "./pending-sends.ts";
import type { StateChange } from "./states.ts";
import { SteppedMessages, type SteppedOwner } from "./stepped-messages.ts";
import { type Tap, Telling } from "./telling.ts";

/** What is behind a {@link Connection}: the messages of one link after the other, and all that is told of them. */
export class Conversation<L extends Link>
  implements Sink, KeeperOwner<L>, Tap<ConnectionEvents>, SteppedOwner, VitalsOwner
{
  readonly connection: Connection;
  readonly keeper: LinkKeeper<L>;
  readonly vitals: LinkVitals;
  readonly events: Events<ConnectionEvents>;
  messagesIn = 0;
  messagesOut = 0;
  refusals = 0;
  refusal: ConnectionRefusal | undefined = undefined;
  /** Since when the peer is behind; awake time. */
  waitsSinceMs: number | undefined = undefined;
  readonly #host: ConnectionHost;
  readonly #parts: ConnectionParts<L>;
  readonly #telling: Telling<ConnectionEvents>;
  readonly #stepped: SteppedMessages | undefined;
  #pending: PendingSends | undefined = undefined;
  #inFlight: Set<(error: PolywireError) => void> | undefined = undefined;
  /** What a health check waits for. */
  #isExpected: ((payload: Payload) => boolean) | undefined = undefined;
  #isReading = false;
  /** The listeners know of the link, so its messages may come. */
  #isAnnounced = false;

  constructor(connection: Connection, host: ConnectionHost, parts: ConnectionParts<L>) {
    this.connection = connection;
    this.#host = host;
    this.#parts = parts;
    this.events = new Events((error) => this.failed(error));
    this.#telling = new Telling(this.events, this);
    this.vitals = new LinkVitals(host, parts.vitals, this);
    this.keeper = new LinkKeeper(host, this, parts);
    this.#stepped = host.steps && new SteppedMessages(this, host.steps);
  }

  get bufferedBytes(): number {
    return (this.#pending?.bytes ?? 0) + (this.#stepped?.bytes ?? 0) + (this.keeper.link?.bufferedBytes ?? 0);
  }

  /** Messages that waited for a link in vain: they gave way to newer ones, or none came. */
  get pendingDropped(): number {
    return this.#pending?.dropped ?? 0;
  }

  send(payload: Payload | Prepared): SendResult {
    return this.#stepped === undefined ? this.transmit(payload) : this.#stepped.send(payload);
  }

  /** Sends past the interceptors: their last step. */
  transmit(payload: Payload | Prepared): SendResult {
    const { link } = this.keeper;
    if (link === undefined) return this.#wait(payload);
    const result = link.send(payload);
    if (result !== "refused") {
      this.messagesOut++;
      if (result === "wait") this.waitsSinceMs ??= this.#host.rounds.awakeMs;
      return result;
    }
    return this.refuse(link.refusal);
  }

  /** Hands over past the interceptors: their last step. */
  deliver(payload: Payload): void {
    this.events.emit("data", payload);
  }

  refuse(refusal: ConnectionRefusal | undefined): "refused" {
    this.refusal = refusal;
    this.refusals++;
    return "refused";
  }

  /** For the program: rejected if the link is lost before the answer. */
  pingInFlight(done: (roundTripMs: number | undefined) => void, failed: (error: PolywireError) => void): void {
    const inFlight = (this.#inFlight ?? new Set()).add(failed);
    const stopwatch = new Stopwatch(this.#host.rounds);
    this.ping((roundTripMs) => {
      inFlight.delete(failed);
      if (roundTripMs !== undefined) this.vitals.answered(stopwatch);
      done(roundTripMs);
    });
    this.#inFlight = inFlight;
  }

  end(): void {
    const link = this.#openLink as L & Partial<HalfClosable>;
    if (link.end === undefined)
      throw new PolywireError("unsupported", "this wire has no half-close: see link.traits.halfClose");
    this.keeper.stay();
    link.end();
  }

  pause(): void {
    this.#isReading = false;
    this.keeper.link?.pause();
  }

  resume(): void {
    this.#isReading = true;
    if (this.#isAnnounced && this.#stepped?.isReceiving !== true) this.keeper.link?.resume();
  }

  received(): void {
    if (this.#isReading) this.resume();
  }

  /** The first who listens starts the reading. */
  listened(): void {
    if (!this.#isReading) this.resume();
  }

  /* What the link delivers. */

  message(payload: Payload): void {
    this.messagesIn++;
    if (this.#isExpected?.(payload) === true) return;
    if (this.#stepped === undefined) this.deliver(payload);
    else this.#stepped.receive(payload);
  }

  drain(): void {
    this.waitsSinceMs = undefined;
    this.events.emit("drain", undefined);
  }

  ended(): void | false {
    if (!this.events.has("end")) return false;
    this.events.emit("end", undefined);
    return undefined;
  }

  closed(info: CloseInfo): void {
    this.#isAnnounced = false;
    this.waitsSinceMs = undefined;
    this.#isExpected = undefined;
    this.keeper.lost(info);
  }

  /* What the keeper of the link wants. */

  get sink(): Sink {
    return this;
  }

  dial(signal: AbortSignal, mark: (phase: string) => void): Promise<L> {
    return this.#parts.dial(signal, mark);
  }

  tell<Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]): void {
    this.#telling.tell(name, event);
  }

  stateChanged(change: StateChange): void {
    this.#telling.tell("state", change);
    this.vitals.stateChanged(change.to, change.cause, this.keeper.link?.traits);
  }

  step(work: () => void): void {
    this.#telling.step(work);
  }

  announced(): void {
    this.#isAnnounced = true;
    // As many as there are now: one that the link does not take waits again.
    for (let count = this.#pending?.count ?? 0; count > 0; count--) this.#transmitWaiting(this.#pending?.next());
    if (this.#isReading) this.resume();
  }

  rejectInFlight(error: PolywireError): void {
    for (const failed of this.#inFlight ?? []) failed(error);
    this.#inFlight?.clear();
  }

  over(): void {
    this.#pending?.drop();
    this.#stepped?.drop();
  }

  /* What its vitals ask, and tell. */

  get isReading(): boolean {
    return this.#isReading && this.#stepped?.isReceiving !== true;
  }

  get isQualityWatched(): boolean {
    return this.#host.isQualityWatched || this.events.has("quality");
  }

  get isFailing(): boolean {
    const { state, generation, failures } = this.keeper;
    if (state !== "connecting") return state === "backoff";
    // A lazy connection is without a link by its own choice.
    return failures > 0 || (generation > 0 && this.#parts.reconnect?.lazy !== true);
  }

  ping(answered: (roundTripMs: number | undefined) => void): void {
    const link = this.#openLink as L & Partial<Pingable>;
    if (link.ping === undefined) throw new PolywireError("unsupported", "this wire has no ping: see link.traits.ping");
    link.ping(answered);
  }

  expect(isExpected: ((payload: Payload) => boolean) | undefined): void {
    this.#isExpected = isExpected;
  }

  async tryDial(signal: AbortSignal): Promise<void> {
    discardLink(await this.dial(signal, () => {}));
  }

  replace(error: PolywireError): void {
    this.keeper.replace(error);
  }

  healthChanged(change: HealthChange): void {
    this.tell("health", change);
  }

  qualityChanged(change: QualityChange): void {
    this.tell("quality", change);
  }

  failed(error: PolywireError): void {
    this.#host.failed(this.connection, error);
  }

  tapped<Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]): void {
    this.#host.tapped(this.connection, name, event);
  }

  get #openLink(): L {
    const { link } = this.keeper;
    if (link !== undefined) return link;
    throw new PolywireError("not-available", `there is no link to "${this.#parts.place.endpoint}" now: await ready()`);
  }

  #wait(payload: Payload | Prepared): SendResult {
    if (!this.keeper.comesBack && this.keeper.state !== "connecting") {
      return this.refuse("closed");
    }
    this.#pending ??= new PendingSends(this.#parts.pending);
    const waits = this.#pending.add(payload);
    this.keeper.start();
    return waits ? "wait" : this.refuse("not-ready");
  }

  /** The new link may frame otherwise, or carry less: the program that sent it cannot be asked any more. */
  #transmitWaiting(payload: Payload | Prepared | undefined): void {
    if (payload === undefined) return;
    try {
      this.transmit(payload);
    } catch (thrown) {
      this.refusals++;
      this.failed(PolywireError.from(thrown, "internal", "a message that waited for a link could not be sent"));
    }
  }
}
