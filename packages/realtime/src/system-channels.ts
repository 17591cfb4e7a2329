import type { LogLevel, Publication } from "@polywire/core";
import type { HubParts } from "./hub-parts.ts";
import { collectStats, type HubStats } from "./hub-stats.ts";
import type { WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** What begins with this are channels of the system's own. */
export const SYSTEM_PREFIX = "$system:";

/** A channel tells something once in this time at most, however much happens. */
const INTERVAL_MS = 1_000;

/** Most different lines that one publication of the log holds; the others are counted. */
const MAX_LINES = 50;

/** A line of the log, without its fields: those may hold what clients must not see. */
export interface SystemLogLine {
  readonly level: LogLevel;
  readonly component: string;
  /** Longer ones are cut at 256 characters. */
  readonly message: string;
}

const MAX_MESSAGE_CHARACTERS = 256;

const FIGURES: ReadonlyMap<string, (stats: HubStats) => object> = new Map<string, (stats: HubStats) => object>([
  [
    "$system:connections",
    (stats) => ({
      sessions: stats.sessions,
      connected: stats.sessionsConnected,
      users: stats.users,
      connects: stats.connects,
      refused: stats.connectsRefused + stats.sessionsRefused,
      ended: stats.sessionsEnded,
      cut: stats.slowConsumers + stats.missingPongs + stats.staleSessions + stats.badRequests,
    }),
  ],
  [
    "$system:channels",
    (stats) => ({
      channels: stats.channels,
      subscriptions: stats.subscriptions,
      publications: stats.publications,
      delivered: stats.deliveriesQueued,
      dropped: stats.deliveriesDropped,
      recovered: stats.recovered,
      unrecovered: stats.unrecovered,
    }),
  ],
  [
    "$system:health",
    (stats) => ({
      bufferedBytes: stats.bufferedBytes,
      largestBufferedBytes: stats.largestBufferedBytes,
      commandsInFlight: stats.commandsInFlight,
      bytesInFlight: stats.bytesInFlight,
      brokerFailures: stats.brokerFailures,
      hookFailures: stats.hookFailures + stats.hookTimeouts,
      stallsForgiven: stats.stallsForgiven,
    }),
  ],
]);

const LOG_CHANNEL = "$system:log";

const encoder = new TextEncoder();

/**
 * What the hub tells of itself: figures of this process, and its log. Nothing of it is counted, logged, kept or given to a
 * broker, and each channel tells something once a second at most, and only when it is something new: so watching a hub
 * costs the same whatever happens, and never gives rise to more.
 */
export class SystemChannels implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  #parts: HubParts | undefined = undefined;
  #node = "";
  readonly #told = new Map<string, string>();
  #lines = new Map<string, SystemLogLine & { count: number }>();
  #leftOut = 0;
  #isScheduled = false;

  /** Called once, with the parts of the hub that this is one of. */
  connect(parts: HubParts): void {
    this.#parts = parts;
    this.#node = parts.createId();
  }

  static has(channel: string): boolean {
    return channel === LOG_CHANNEL || FIGURES.has(channel);
  }

  /** Somebody has come to one of the channels: what it tells is new to him. */
  entered(channel: string): void {
    this.#told.delete(channel);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#hub.wheel.schedule(this, INTERVAL_MS);
  }

  /** Takes a line for the log's channel; nothing is kept of it while nobody listens. */
  log({ level, component, message }: SystemLogLine): void {
    if (!this.#isHeard(LOG_CHANNEL)) return;
    const text = message.slice(0, MAX_MESSAGE_CHARACTERS);
    const key = `${level} ${component} ${text}`;
    const known = this.#lines.get(key);
    if (known !== undefined) known.count++;
    else if (this.#lines.size < MAX_LINES) this.#lines.set(key, { level, component, message: text, count: 1 });
    else this.#leftOut++;
  }

  /** The wheel's call. */
  due(): void {
    this.#isScheduled = false;
    const heard = [...FIGURES].filter(([channel]) => this.#isHeard(channel));
    if (heard.length > 0) {
      const stats = collectStats(this.#hub);
      for (const [channel, figures] of heard) this.#tellNews(channel, figures(stats));
    }
    const isLogHeard = this.#isHeard(LOG_CHANNEL);
    if (isLogHeard) this.#tellLog();
    if (heard.length === 0 && !isLogHeard) return;
    this.#isScheduled = true;
    this.#hub.wheel.schedule(this, INTERVAL_MS);
  }

  #tellNews(channel: string, figures: object): void {
    const news = JSON.stringify(figures);
    if (news === this.#told.get(channel)) return;
    this.#told.set(channel, news);
    this.#tell(channel, figures);
  }

  #tellLog(): void {
    if (this.#lines.size === 0) return;
    const content = { lines: [...this.#lines.values()], leftOut: this.#leftOut };
    this.#lines = new Map();
    this.#leftOut = 0;
    this.#tell(LOG_CHANNEL, content);
  }

  #tell(channel: string, content: object): void {
    const time = this.#hub.clock.wallTime();
    const data = encoder.encode(JSON.stringify({ node: this.#node, time, ...content }));
    const publication: Publication = { data, format: "json" };
    this.#hub.channels.get(channel)?.publication(publication, undefined);
  }

  #isHeard(channel: string): boolean {
    return (this.#hub.channels.get(channel)?.subscribers.length ?? 0) > 0;
  }

  get #hub(): HubParts {
    return this.#parts as HubParts;
  }
}
