import type { ClientInfo, DataFormat, HistoryPage, PresenceStats } from "@polywire/core";
import { PolywireError } from "@polywire/core";
import type { RefreshOrder } from "./broker.ts";
import { ClientQueue } from "./client-queue.ts";
import { type ClientError, DISCONNECTS, type Disconnect, ERRORS, UNSUBSCRIBES } from "./codes.ts";
import { call, readHistory, readPresence, readPresenceStats, receive } from "./commands.ts";
import { connect } from "./connecting.ts";
import type { ClientSession } from "./dialect.ts";
import { Expiry } from "./expiry.ts";
import type { HookDeadline } from "./hooks.ts";
import type { HubParts } from "./hub-parts.ts";
import type { InOrder } from "./in-order.ts";
import { Liveness } from "./liveness.ts";
import type { Origin } from "./options.ts";
import type { ChannelEvent, Outlet } from "./outlet.ts";
import { publish } from "./publishing.ts";
import { ClientRates, type RateVerdict } from "./rate-limit.ts";
import { refresh, refreshSubscription } from "./refreshing.ts";
import type { RefusedAction } from "./refusals.ts";
import type {
  Answer,
  ConnectRequest,
  ConnectResult,
  HistoryCommand,
  Pings,
  RefreshResult,
  SubscribeRequest,
  SubscribeResult,
} from "./requests.ts";
import { subscribe } from "./subscribe-commands.ts";
import type { Subscription } from "./subscription.ts";
import type { Terms } from "./terms.ts";
import { unsubscribe } from "./unsubscribing.ts";
import { largestMessageBytes } from "./wire-size.ts";

/** Most commands of one session whose answers are awaited; further ones are answered `tooManyRequests`. */
const MAX_COMMANDS_IN_FLIGHT = 1_024;

/** Most data in them, in publications of the largest size. */
const MAX_PUBLICATIONS_IN_FLIGHT = 4;

/** Most orders of the server that wait for a session to be connected. */
const MAX_ORDERS_WAITING = 128;

/** A command of a client, as far as it is counted. */
interface Command {
  readonly action: RefusedAction;
  readonly channel?: string;
  /** Of the data that came with it. */
  readonly bytes?: number;
}

/**
 * One client. `new` until its connect comes, `connecting` until that is answered, `refused` when it was answered with an
 * error and only the end can come.
 */
export class Session implements ClientSession {
  readonly id: string;
  readonly outlet: Outlet;
  readonly parts: HubParts;
  /** What waits for the client. */
  readonly queue: ClientQueue;
  stage: "new" | "connecting" | "connected" | "refused" | "closed" = "new";
  info: ClientInfo;
  /** Where it comes from, while those are counted. */
  source: string | undefined = undefined;
  /** Who the user is has been decided. */
  isIdentified = false;
  /** What else was. */
  terms: Terms | undefined = undefined;
  /** Its time is limited. */
  expiry: Expiry | undefined = undefined;
  /** Kept while somebody may ask for it: until it is connected, or as long as its time is limited. */
  origin: Origin | undefined;
  /** By channel, those under way included. Made with the first. */
  subscriptions: Map<string, Subscription> | undefined = undefined;
  /** Orders of the server that came before the connect was answered. */
  orders: (() => void)[] | undefined = undefined;
  /** Publications that the program decides about. Made with the first. */
  publishes: InOrder | undefined = undefined;
  /** Commands whose answers are awaited. */
  commandsInFlight = 0;
  /** Data that came with them. */
  bytesInFlight = 0;
  readonly #liveness: Liveness;
  #isRateLimited = true;
  /** Made with the first command, for most clients only listen. */
  #rates: ClientRates | undefined = undefined;
  #gone: AbortController | undefined = undefined;

  constructor(outlet: Outlet, origin: Origin, parts: HubParts) {
    this.id = parts.createId();
    this.outlet = outlet;
    this.parts = parts;
    this.info = { client: this.id, user: "" };
    this.origin = origin;
    this.queue = new ClientQueue(this);
    this.#liveness = new Liveness(this);
  }

  get isClosed(): boolean {
    return this.stage === "closed";
  }

  /** Fires when the session has gone. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    return this.#gone.signal;
  }

  /** Bytes that one answer with publications may take now: what one message holds, and half of the room in the queue. */
  get answerBytes(): number {
    const { outboundBytesPerSession, publicationBytes } = this.parts.settings.limits;
    const half = Math.floor((outboundBytesPerSession - this.outlet.bufferedBytes) / 2);
    return Math.max(0, Math.min(half, largestMessageBytes(publicationBytes)));
  }

  connect(request: ConnectRequest, answer: Answer<ConnectResult>): void {
    if (this.isClosed) return;
    if (this.stage !== "new") return this.disconnect(DISCONNECTS.badRequest);
    // Who hears nothing has said everything with its connect: what limits it is its wire.
    this.#isRateLimited = request.isDeaf !== true;
    connect(this, { request, origin: this.origin as Origin, answer: this.#guarded(answer, "connect") });
  }

  subscribe(request: SubscribeRequest, answer: Answer<SubscribeResult>): void {
    const { channel } = request;
    const reply = this.#begin(answer, { action: "subscribe", channel });
    if (reply !== undefined) subscribe(this, request, reply);
  }

  unsubscribe(channel: string, answer: Answer<undefined>): void {
    // It must not fail, so it is not refused for being one too many; but too many of them are a flood as well.
    if (this.#isReady() && this.#judgeRate(false) !== "flood") {
      unsubscribe(this, channel, this.#guarded(answer, "subscribe"));
    }
  }

  publish(channel: string, data: Uint8Array, format: DataFormat, answer: Answer<undefined>): void {
    const reply = this.#begin(answer, { action: "publish", channel, bytes: data.length });
    if (reply !== undefined) publish(this, { channel, data, format }, reply);
  }

  presence(channel: string, answer: Answer<readonly ClientInfo[]>): void {
    const reply = this.#begin(answer, { action: "presence", channel });
    if (reply !== undefined) readPresence(this, channel, reply);
  }

  presenceStats(channel: string, answer: Answer<PresenceStats>): void {
    const reply = this.#begin(answer, { action: "presence", channel });
    if (reply !== undefined) readPresenceStats(this, channel, reply);
  }

  history(command: HistoryCommand, answer: Answer<HistoryPage>): void {
    const reply = this.#begin(answer, { action: "history", channel: command.channel });
    if (reply !== undefined) readHistory(this, command, reply);
  }

  call(method: string, data: Uint8Array, answer: Answer<Uint8Array>): void {
    const reply = this.#begin(answer, { action: "call", bytes: data.length });
    if (reply !== undefined) call(this, { method, data }, reply);
  }

  send(data: Uint8Array, format: DataFormat): void {
    const done = this.#begin<undefined>(
      (error) => {
        // There is no answer that could say so.
        if (error !== undefined) this.disconnect(DISCONNECTS.tooManyRequests);
      },
      { action: "call", bytes: data.length },
    );
    if (done !== undefined) receive(this, { data, format }, done);
  }

  refresh(token: string, answer: Answer<RefreshResult>): void {
    const reply = this.#begin(answer, { action: "session" });
    if (reply !== undefined) refresh(this, token, reply);
  }

  refreshSubscription(channel: string, token: string, answer: Answer<RefreshResult>): void {
    const reply = this.#begin(answer, { action: "subscribe", channel });
    if (reply !== undefined) refreshSubscription(this, { channel, token }, reply);
  }

  pong(): void {
    if (this.#isReady() && !this.#liveness.pong()) this.disconnect(DISCONNECTS.badRequest);
  }

  /** @param discard drops what waits to be sent; so does the end of a client that is too slow to take it. */
  disconnect(disconnect: Disconnect, discard: boolean = disconnect.code === DISCONNECTS.slow.code): void {
    if (this.isClosed) return;
    const { journal } = this.parts;
    this.#countEnd(disconnect);
    journal.write("debug", "session ended by the server", {
      client: this.id,
      user: this.info.user,
      code: disconnect.code,
      reason: disconnect.reason,
    });
    this.#leave();
    // The link goes first: cleaning up may take a slow broker.
    this.outlet.disconnect(disconnect, discard);
    this.#clean();
  }

  closed(): void {
    if (this.isClosed) return;
    this.#leave();
    this.#clean();
  }

  /** Tells the client of an event; false when it did not take it, and is gone. */
  tell(event: ChannelEvent, form: number): boolean {
    const result = this.outlet.event(event, form);
    if (result === "sent") return true;
    if (result === "wait") return this.queue.fellBehind();
    this.#refused();
    return false;
  }

  /** Tells the client of what it can do without; false when it did not take it. It is gone only if it was leaving anyway. */
  tellOrSkip(event: ChannelEvent, form: number): boolean {
    const result = this.outlet.event(event, form);
    if (result === "sent") return true;
    if (result === "wait") return this.queue.fellBehind();
    if (this.outlet.isClosed === true) this.closed();
    return false;
  }

  drained(): void {
    this.queue.caughtUp();
  }

  message(data: Uint8Array, format: DataFormat): void {
    const before = this.outlet.bufferedBytes;
    if (this.outlet.message(data, format) === "refused") return this.#refused();
    this.queue.said(before);
  }

  /** The server has set an end for the session, or told something else of its client. */
  refreshed({ ttlMs, connectionInfo }: RefreshOrder): void {
    if (connectionInfo !== undefined) this.info = { ...this.info, connectionInfo };
    if (ttlMs === undefined) return;
    const forMs = ttlMs === 0 ? undefined : ttlMs;
    if (this.expiry !== undefined) return this.expiry.set(forMs);
    if (forMs === undefined) return;
    const expired = (): void => this.disconnect(DISCONNECTS.connectionExpired);
    this.expiry = new Expiry(this.parts, forMs, expired, { hasGrace: false });
  }

  /** Something below broke a promise; going on would leave the client with a gap. */
  failed(thrown: unknown): void {
    const error = PolywireError.from(thrown, "internal", `session ${this.id}`);
    this.parts.journal.write("error", "session failed", { error });
    this.disconnect(DISCONNECTS.internal, true);
  }

  /** How long a hook may take, and what becomes of the session if its answer turns out to be nonsense. */
  hookDeadline(purpose: string): HookDeadline {
    const { clock, settings } = this.parts;
    return {
      clock,
      timeoutMs: settings.limits.hookTimeoutMs,
      purpose,
      failed: (thrown) => {
        this.parts.counters.hookFailures++;
        this.failed(thrown);
      },
    };
  }

  /** A subscriber lacks a publication: it is told to come back and recover. */
  missedSomething(subscription: Subscription): void {
    this.parts.counters.insufficientStates++;
    if (subscription.isServerSide) this.disconnect(DISCONNECTS.insufficientState);
    else subscription.endByServer(UNSUBSCRIBES.insufficientState);
  }

  /** What a subscribe would have to answer is not to be had: the client comes back and recovers. */
  missedOnSubscribe(): void {
    this.parts.counters.insufficientStates++;
    this.disconnect(DISCONNECTS.insufficientState);
  }

  /** Code of the program threw, took too long, or answered what it must not; `error` is absent for the last. */
  hookFailed(hook: string, error: PolywireError | undefined): void {
    const { counters, journal } = this.parts;
    if (error?.code === "timed-out") counters.hookTimeouts++;
    else counters.hookFailures++;
    const cause = error ?? new PolywireError("invalid-argument", `${hook} answered what its type does not allow`);
    journal.write("error", "program code failed", { hook, error: cause });
  }

  /** From here on commands are taken; the connect's answer is about to be given. */
  connected(pings: Pings): void {
    this.stage = "connected";
    if (this.expiry === undefined) this.origin = undefined;
    this.parts.counters.connects++;
    this.#liveness.connected(pings);
  }

  /** Runs an order of the server once the client knows that it is connected. */
  whenConnected(order: () => void): void {
    if (this.stage === "connected") return order();
    if (this.isClosed || this.stage === "refused") return;
    this.orders ??= [];
    if (this.orders.length < MAX_ORDERS_WAITING) this.orders.push(order);
    else this.parts.counters.ordersDropped++;
  }

  /**
   * Counts a command that must be answered, and its data; `undefined` when it is answered already, with a no.
   */
  #begin<Result>(answer: Answer<Result>, { action, channel, bytes = 0 }: Command): Answer<Result> | undefined {
    if (!this.#isReady()) return undefined;
    const reply = this.#guarded(answer, action, channel);
    const isWithinRate = this.#judgeRate(action === "publish") === "taken";
    if (this.isClosed) return undefined;
    const maxBytes = this.parts.settings.limits.publicationBytes * MAX_PUBLICATIONS_IN_FLIGHT;
    const isTooMuch = this.bytesInFlight > 0 && this.bytesInFlight + bytes > maxBytes;
    if (!isWithinRate || isTooMuch || this.commandsInFlight >= MAX_COMMANDS_IN_FLIGHT) {
      reply(ERRORS.tooManyRequests, undefined);
      return undefined;
    }
    this.commandsInFlight++;
    this.bytesInFlight += bytes;
    return (error, result) => {
      this.commandsInFlight--;
      this.bytesInFlight -= bytes;
      reply(error, result);
    };
  }

  /** An answer that is not given any more once the session is closed, and whose failure ends the session. */
  #guarded<Result>(answer: Answer<Result>, action: RefusedAction, channel?: string): Answer<Result> {
    return (error: ClientError | undefined, result: Result | undefined) => {
      if (this.isClosed) return;
      if (error !== undefined) this.#countError(error, action, channel);
      const before = this.outlet.bufferedBytes;
      try {
        answer(error, result);
        this.queue.said(before);
      } catch (thrown) {
        this.failed(thrown);
      }
    };
  }

  /** A client that is leaving anyway is not slow. */
  #refused(): void {
    if (this.outlet.isClosed === true) this.closed();
    else this.disconnect(DISCONNECTS.slow);
  }

  /** What the client's rates say of one command more. A flood ends the session. */
  #judgeRate(isPublish: boolean): RateVerdict {
    if (!this.#isRateLimited) return "taken";
    const { clock, settings, counters } = this.parts;
    const { commandsPerSecond, publishesPerSecond } = settings.limits;
    if (commandsPerSecond === undefined && publishesPerSecond === undefined) return "taken";
    this.#rates ??= new ClientRates(settings.limits, clock.now());
    const verdict = this.#rates.take(isPublish, clock.now());
    if (verdict !== "taken") counters.rateRefusals++;
    if (verdict === "flood") this.disconnect(DISCONNECTS.tooManyRequests);
    return verdict;
  }

  #isReady(): boolean {
    if (this.stage === "connected") return true;
    this.disconnect(DISCONNECTS.badRequest);
    return false;
  }

  #countError(error: ClientError, action: RefusedAction, channel: string | undefined): void {
    const { counters, refusals } = this.parts;
    counters.errorsAnswered++;
    const { user } = this.info;
    refusals.answered(action, { client: this.id, user, address: this.outlet.address, channel }, error);
  }

  #countEnd(disconnect: Disconnect): void {
    const { counters, refusals } = this.parts;
    const { code } = disconnect;
    const action = this.stage === "connected" ? "session" : "connect";
    refusals.ended(action, { client: this.id, user: this.info.user, address: this.outlet.address }, disconnect);
    if (code === DISCONNECTS.slow.code) counters.slowConsumers++;
    else if (code === DISCONNECTS.tooManyRequests.code) counters.floods++;
    else if (code === DISCONNECTS.noPong.code) counters.missingPongs++;
    else if (code === DISCONNECTS.stale.code) counters.staleSessions++;
    else if (code === DISCONNECTS.badRequest.code) counters.badRequests++;
    else if (code === DISCONNECTS.connectionExpired.code) counters.sessionsExpired++;
  }

  #leave(): void {
    this.stage = "closed";
    this.orders = undefined;
    this.queue.end();
    this.parts.counters.sessionsEnded++;
    this.#liveness.end();
    this.expiry?.cancel();
    this.parts.sessions.remove(this);
  }

  #clean(): void {
    const { subscriptions } = this;
    this.subscriptions = undefined;
    if (subscriptions !== undefined) {
      for (const subscription of subscriptions.values()) {
        subscription.afterwards?.cancelDeadline();
        subscription.end();
      }
    }
    this.#gone?.abort(new PolywireError("closed", `session ${this.id} has gone`));
  }
}
