import {
  type Channel,
  type ClientInfo,
  type DataFormat,
  type HistoryPage,
  type HistoryRequest,
  type MetricFamily,
  PolywireError,
  type PresenceStats,
  type Receipt,
  type Service,
  type ServiceHost,
} from "@polywire/core";
import type { BrokerEvents, ControlCommand, Published, RefreshOrder, StreamPage, SubscribeOrder } from "./broker.ts";
import { fitsBytes } from "./channel-name.ts";
import { ChannelRules, type ChannelSettings } from "./channel-rules.ts";
import { type ActiveChannel, Channels } from "./channels.ts";
import { DISCONNECTS, type Disconnect, ERRORS, UNSUBSCRIBES, type Unsubscribe } from "./codes.ts";
import { Counters } from "./counters.ts";
import type { ClientSession, SessionHost } from "./dialect.ts";
import { drainSessions } from "./draining.ts";
import { HubChannel } from "./hub-channel.ts";
import { hubFamilies } from "./hub-metrics.ts";
import { describeNode, type HubNode } from "./hub-node.ts";
import type { HubParts } from "./hub-parts.ts";
import { completeHubOptions, type HubChanges } from "./hub-settings.ts";
import { collectStats, type HubStats } from "./hub-stats.ts";
import { idsFrom } from "./identity.ts";
import { Journal } from "./journal.ts";
import { NamePattern } from "./name-pattern.ts";
import type { HubOptions, Origin } from "./options.ts";
import { carryOut } from "./orders.ts";
import { OutboundBudget } from "./outbound-budget.ts";
import type { Outlet } from "./outlet.ts";
import { encodeData } from "./publication-data.ts";
import { PublishGate } from "./publish-gate.ts";
import { reconfigure } from "./reconfiguring.ts";
import { Refusals } from "./refusals.ts";
import { addressOf, answerOf, checkInfo, checkTtl, draftOf, type PublishOptions, type Target } from "./server-calls.ts";
import { Session } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { sourceOf } from "./source-address.ts";
import { SystemChannels, type SystemLogLine } from "./system-channels.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { largestMessageBytes } from "./wire-size.ts";

/** What a message may take on the wire beyond its data. */
const ENVELOPE_BYTES = 65_536;

/** Unsent bytes past which a client is behind; half of its queue where that is less. */
const MOST_WAIT_ABOVE_BYTES = 262_144;

/** Channels that `inspect` lists. */
const MAX_INSPECTED_CHANNELS = 100;

/**
 * The realtime engine: sessions, channels, streams and presence. It knows no wire and no encoding: a dialect brings
 * clients to it, a broker keeps what is published.
 *
 * Hand it to a network as a service and to a dialect as its host. Construction is free; the broker starts with the first
 * use.
 *
 * Where a client would be told a code for the same mistake (of {@link ERRORS}), that is the `cause` of what a call throws.
 */
export class Hub implements Service, SessionHost {
  readonly name: string = "hub";
  readonly #parts: HubParts;
  readonly #node: { readonly id: string; readonly startedAtMs: number };
  #state: "new" | "open" | "draining" | "closed" = "new";
  #drained: Promise<void> | undefined = undefined;
  #closed: Promise<void> | undefined = undefined;

  /** @throws PolywireError `invalid-argument` naming the option: `channels[2].history.size`. */
  constructor(options: HubOptions = {}) {
    const settings = completeHubOptions(options);
    const { clock, random, logger, broker } = settings;
    const journal = new Journal(clock);
    if (logger !== undefined) journal.logger = logger;
    const channels = new Channels();
    const sessions = new Sessions();
    const counters = new Counters();
    const maxBytes = settings.limits.outboundBytes;
    this.#parts = {
      settings,
      clock,
      random: random ?? Math.random,
      broker,
      rules: new ChannelRules(settings.channels, settings.limits),
      channels,
      sessions,
      publishGate: new PublishGate(),
      outbound: new OutboundBudget({ maxBytes, sessions, counters, clock }),
      wheel: new TimerWheel(clock, { report: (error) => journal.write("error", "a timer's work failed", { error }) }),
      counters,
      journal,
      refusals: new Refusals(journal),
      system: new SystemChannels(),
      createId: idsFrom(random),
    };
    this.#parts.system.connect(this.#parts);
    channels.connect(this.#parts);
    this.#node = { id: this.#parts.createId(), startedAtMs: clock.now() };
  }

  /** Limits that links should have so that what the hub allows fits through them. */
  get linkLimits(): SessionHost["linkLimits"] {
    const { publicationBytes, outboundBytesPerSession } = this.#parts.settings.limits;
    return {
      maxMessageBytes: largestMessageBytes(publicationBytes) + ENVELOPE_BYTES,
      maxBufferedBytes: outboundBytesPerSession,
      waitAboveBytes: Math.min(MOST_WAIT_ABOVE_BYTES, Math.ceil(outboundBytesPerSession / 2)),
    };
  }

  /** For dialects: a new client. It is ended at once when the hub is full or shutting down. */
  openSession(outlet: Outlet, origin: Origin): ClientSession {
    this.#start();
    const { sessions, settings, counters } = this.#parts;
    const session = new Session(outlet, origin, this.#parts);
    const { sessions: most, sessionsPerAddress } = settings.limits;
    const { address } = origin;
    const source = sessionsPerAddress === undefined || address === undefined ? undefined : sourceOf(address);
    const isCrowded = source !== undefined && sessions.countFrom(source) >= (sessionsPerAddress as number);
    const isFull = isCrowded || sessions.count >= most;
    sessions.add(session, source);
    if (this.#state !== "open") session.disconnect(DISCONNECTS.shutdown);
    else if (isFull) {
      counters.sessionsRefused++;
      // Not "connection limit": that would keep the client from ever coming back.
      session.disconnect(DISCONNECTS.tooManyRequests);
    }
    return session;
  }

  /**
   * Publishes. Data may be anything that has a JSON form, a string for the format `text`, or the bytes themselves.
   *
   * @returns where it is in the channel's stream, if there is one, and what became of it on this process.
   * @throws PolywireError `invalid-argument`, `too-large`, `not-available` while the hub drains, or what the broker says.
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    const rule = this.#rule(channel);
    if (rule.kind === "system") {
      const message = `"${channel}" is the system's: the hub alone publishes to it`;
      throw new PolywireError("invalid-argument", message, { cause: ERRORS.permissionDenied });
    }
    const draft = draftOf(data, options, { channel, rule, limits: this.#parts.settings.limits });
    const stream = options.skipHistory === true ? undefined : rule.stream;
    if (draft.version !== undefined && stream === undefined) {
      const message = `version needs a history, which "${channel}" ${rule.stream === undefined ? "has not" : "is to skip"}`;
      const advice = `${message}: leave it out, or give the rule a history`;
      throw new PolywireError("unsupported", advice, { cause: ERRORS.notAvailable });
    }
    const { broker, publishGate } = this.#parts;
    if (!publishGate.enter()) {
      throw new PolywireError("not-available", "the hub takes no more publications, for it is about to end", {
        retryable: true,
      });
    }
    const { position, local } = await answerOf<Published>((done) =>
      broker.streams.publish(channel, draft, stream, (error, published) => {
        publishGate.leave();
        done(error, published);
      }),
    );
    return position === undefined ? { local } : { position, local };
  }

  /** Subscribes the sessions that the target has now, on every process. `since` recovers what came after it. */
  async subscribe(target: Target, channel: string, options: SubscribeOrder = {}): Promise<void> {
    this.#rule(channel);
    if (options.positioned === true || options.recoverable === true) this.#requireStream(channel);
    checkInfo("channelInfo", options.channelInfo);
    checkTtl(options.ttlMs, 1);
    await this.#order({ ...addressOf(target), kind: "subscribe", channel, ...options });
  }

  /** @param channel every channel when absent. */
  unsubscribe(target: Target, channel?: string, unsubscribe: Unsubscribe = UNSUBSCRIBES.server): Promise<void> {
    return this.#order({ ...addressOf(target), kind: "unsubscribe", channel, unsubscribe });
  }

  disconnect(
    target: Target,
    options: { readonly disconnect?: Disconnect; readonly except?: readonly string[] } = {},
  ): Promise<void> {
    const { disconnect = DISCONNECTS.forceDisconnect, except = [] } = options;
    return this.#order({ ...addressOf(target), kind: "disconnect", disconnect, except });
  }

  /** Sets or lifts an end for the sessions that the target has now, or tells something else of their client. */
  async refresh(target: Target, options: RefreshOrder): Promise<void> {
    checkInfo("connectionInfo", options.connectionInfo);
    checkTtl(options.ttlMs, 0);
    await this.#order({ ...addressOf(target), kind: "refresh", ...options });
  }

  /** Sends a message to a user or a client, outside of any channel. */
  async send(target: Target, data: unknown, options: { readonly format?: DataFormat } = {}): Promise<void> {
    const rule = { data: options.format === "binary" ? "binary" : "json" } as const;
    const { limits } = this.#parts.settings;
    const encoded = encodeData(data, { channel: "a client", rule, limits, format: options.format });
    await this.#order({ ...addressOf(target), kind: "message", ...encoded });
  }

  /**
   * Goes on with other rules, limits and hooks than it was made with; what is not given is as if it had never been. Sessions
   * stay. Subscribers of channels that have become something else are told to subscribe anew, which clients do at once;
   * limits hold for what comes from now on, and those of links (`publicationBytes` upwards, `outboundBytesPerSession`)
   * for links of listeners that are bound from now on.
   *
   * @throws PolywireError `invalid-argument` naming the option; then nothing has changed.
   */
  reconfigure(changes: HubChanges): void {
    reconfigure(this.#parts, changes);
  }

  /**
   * Takes a line of the program's log for those who are subscribed to `$system:log`, if anybody is. It is told within a second,
   * once with its number if it comes often. Its fields are not taken, for they may hold what clients must not see.
   */
  tellLog(line: SystemLogLine): void {
    this.#parts.system.log(line);
  }

  /** Who is in the channel, on every process. */
  async presence(channel: string): Promise<readonly ClientInfo[]> {
    this.#requirePresence(channel);
    return await answerOf<readonly ClientInfo[]>((done) => this.#parts.broker.presence.members(channel, done));
  }

  async presenceStats(channel: string): Promise<PresenceStats> {
    this.#requirePresence(channel);
    return await answerOf<PresenceStats>((done) => this.#parts.broker.presence.stats(channel, done));
  }

  /**
   * A page of the channel's stream: by default the oldest publications, 300 at most. It ends before its data exceed
   * `maxBytes`, but has at least one publication; at most what one channel keeps.
   *
   * @throws PolywireError `unsupported` when the channel keeps none, `not-available` when `since` is of another epoch.
   */
  async history(
    channel: string,
    request: Partial<HistoryRequest> & { readonly maxBytes?: number } = {},
  ): Promise<HistoryPage> {
    const stream = this.#requireStream(channel);
    const { limits } = this.#parts.settings;
    const {
      limit = limits.historyPageSize,
      since,
      reverse = false,
      maxBytes = limits.historyBytesPerChannel,
    } = request;
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new PolywireError("invalid-argument", `limit is ${limit}: give 0 or a positive integer`);
    }
    const read = {
      limit,
      maxBytes: Math.min(maxBytes, limits.historyBytesPerChannel),
      sinceOffset: since?.offset,
      isReverse: reverse,
      metaTtlMs: stream.metaTtlMs,
    };
    const page = await answerOf<StreamPage>((done) => this.#parts.broker.streams.history(channel, read, done));
    if (since !== undefined && since.epoch !== "" && since.epoch !== page.position.epoch) {
      const message = `history of "${channel}" has another epoch than "${since.epoch}": read it from the start`;
      throw new PolywireError("not-available", message, { retryable: false, cause: ERRORS.unrecoverablePosition });
    }
    return page;
  }

  /** Removes what the channel keeps. Its position stays, so clients that missed something are told that they did. */
  async removeHistory(channel: string): Promise<void> {
    this.#requireStream(channel);
    await answerOf<undefined>((done) => this.#parts.broker.streams.removeHistory(channel, done));
  }

  /**
   * The channel in the hands of this program.
   *
   * @throws PolywireError `invalid-argument` when no rule covers the name.
   */
  channel<Data = unknown>(name: string): Channel<Data> {
    const rule = this.#rule(name);
    return new HubChannel<Data>(this, { name, kind: rule.kind }, (listener) => {
      if (this.#state !== "open") throw new PolywireError("closed", "the hub is closed: make a new one");
      return this.#parts.channels.obtain(name, rule).listen(listener);
    });
  }

  /**
   * The channels that clients are subscribed to now.
   *
   * @param pattern of their names; `*` stands for any characters.
   * @throws PolywireError `limit-reached` when more than 10,000 fit.
   */
  async channels(pattern: string = "*"): Promise<readonly ActiveChannel[]> {
    this.#requireOpen();
    return this.#parts.channels.active(new NamePattern(pattern));
  }

  /** The processes of this hub: with a broker in memory, this one alone. */
  async nodes(): Promise<readonly HubNode[]> {
    this.#requireOpen();
    return [describeNode(this.#parts, this.#node)];
  }

  /** Numbers of everything that can fill, drop or wait. Reads every session: for once a second, not for every message. */
  stats(): HubStats {
    return collectStats(this.#parts);
  }

  /** The same numbers as figures of its network. */
  metrics(): readonly MetricFamily[] {
    const { refusals, broker } = this.#parts;
    return [...hubFamilies(this.stats()), ...refusals.families(), ...(broker.metrics?.() ?? [])];
  }

  inspect(): Readonly<Record<string, unknown>> {
    const channels: { name: string; subscribers: number }[] = [];
    for (const { name, subscribers } of this.#parts.channels) {
      if (channels.length === MAX_INSPECTED_CHANNELS) break;
      channels.push({ name, subscribers: subscribers.length });
    }
    const broker = { name: this.#parts.broker.name, ...this.#parts.broker.inspect?.() };
    return { state: this.#state, ...this.stats(), channelList: channels, broker };
  }

  /** The network's call, before it dials or listens. */
  start(host: ServiceHost): void {
    if (this.#parts.settings.logger === undefined) this.#parts.journal.logger = host.logger;
    this.#start();
  }

  /**
   * Takes no more sessions and ends those there are with 3001, spread over time (`draining`); at once when the signal fires.
   * Where what the broker keeps ends with the process it takes no more publications either, so that whatever was
   * acknowledged has been told to all who were subscribed.
   */
  drain(signal: AbortSignal): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    this.#state = "draining";
    this.#drained ??= drainSessions(this.#parts, signal);
    return this.#drained;
  }

  /** Ends whatever sessions there are and closes the broker. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const wasStarted = this.#state !== "new";
    this.#state = "closed";
    for (const session of this.#parts.sessions) session.disconnect(DISCONNECTS.shutdown);
    this.#parts.wheel.close();
    if (wasStarted) await this.#parts.broker.close();
  }

  #start(): void {
    if (this.#state !== "new") return;
    this.#state = "open";
    const { broker, channels } = this.#parts;
    const events: BrokerEvents = {
      publication: (channel, publication, epoch) => channels.publication(channel, publication, epoch),
      membership: (channel, kind, info) => channels.membership(channel, kind, info),
      control: (command) => carryOut(this.#parts, command),
    };
    broker.start(events);
  }

  async #order(command: ControlCommand): Promise<void> {
    this.#requireOpen();
    await answerOf<undefined>((done) => this.#parts.broker.control.send(command, done));
  }

  #requireOpen(): void {
    this.#start();
    if (this.#state === "closed") throw new PolywireError("closed", "the hub is closed: make a new one");
  }

  #rule(channel: string): ChannelSettings {
    this.#requireOpen();
    const { channelNameBytes } = this.#parts.settings.limits;
    if (typeof channel !== "string" || channel === "" || !fitsBytes(channel, channelNameBytes)) {
      throw new PolywireError(
        "invalid-argument",
        `"${String(channel)}" is no channel: give 1 to ${channelNameBytes} bytes`,
      );
    }
    const rule = this.#parts.channels.settingsOf(channel);
    if (rule !== undefined) return rule;
    const message = `no rule covers the channel "${channel}": add one to channels`;
    throw new PolywireError("invalid-argument", message, { cause: ERRORS.unknownChannel });
  }

  #requireStream(channel: string): NonNullable<ChannelSettings["stream"]> {
    const { stream, hasHistory } = this.#rule(channel);
    if (stream !== undefined && hasHistory) return stream;
    const message = `the channel "${channel}" keeps no history: give its rule a history`;
    throw new PolywireError("unsupported", message, { cause: ERRORS.notAvailable });
  }

  #requirePresence(channel: string): void {
    if (this.#rule(channel).hasPresence) return;
    const message = `the channel "${channel}" keeps no presence: set presence in its rule`;
    throw new PolywireError("unsupported", message, { cause: ERRORS.notAvailable });
  }
}
