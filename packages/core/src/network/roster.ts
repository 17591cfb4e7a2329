import type { Connection, ConnectionPlace } from "../connection/connection.ts";
import type { ConnectionEvents } from "../connection/connection-events.ts";
import type { Events } from "../connection/events.ts";
import type { ConnectionState, StateChange } from "../connection/states.ts";
import type { Clock, Random } from "../contract/clock.ts";
import type { CloseInfo } from "../contract/close.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Logger, LogLevel } from "../contract/log.ts";
import { type Health, type HealthChange, UNKNOWN_HEALTH } from "../health/health-record.ts";
import { ConnectionCounts } from "../metrics/connection-counts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { type PeerVitals, vitalsFamilies } from "../metrics/vitals-families.ts";
import { type Quality, type QualityChange, UNKNOWN_QUALITY } from "../quality/quality-meter.ts";
import { AcceptedLink } from "./accepted-link.ts";
import { healthFields, healthLevel } from "./health-log.ts";

export type Direction = "dialled" | "accepted";

export interface NetworkEvents {
  /** A link was dialled or accepted. */
  connect: ConnectionEvent & ConnectionEvents["connect"];
  /** One that had connected is gone. A dialled one may come back. */
  disconnect: ConnectionEvent & ConnectionEvents["disconnect"];
  /** A dialled connection changed its state. */
  state: ConnectionEvent & StateChange;
  /** A connection that lost its link, or could not make one, will dial again. */
  reconnecting: ConnectionEvent & ConnectionEvents["reconnecting"];
  /** It has a link again. */
  reconnected: ConnectionEvent & ConnectionEvents["reconnected"];
  /** The peer of a dialled connection, or of an exchanger, is better or worse off than it was. */
  health: ConnectionEvent & HealthChange;
  /**
   * The network of a dialled connection, or what an exchanger's requests meet, is better or worse than it was. Whoever listens
   * has every link measured each second.
   */
  quality: ConnectionEvent & QualityChange;
  /** A connection is over. */
  close: ConnectionEvent & { readonly closeInfo: CloseInfo };
  /** Code of the program or of a plugin threw. */
  error: PolywireError;
}

export interface ConnectionEvent {
  readonly id: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly direction: Direction;
}

export interface ConnectionSnapshot extends ConnectionEvent {
  /** Accepted ones are `ready` from birth, and closed with their link. */
  readonly state: ConnectionState;
  /** `unknown` for accepted ones: nobody asks them. */
  readonly health: Health;
  readonly quality: Quality;
  /** Links there have been. */
  readonly generation: number;
  readonly ageMs: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly refusals: number;
  readonly bufferedBytes: number;
}

export interface RosterOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: Events<NetworkEvents>;
}

/** The accepted are told of in the words of those that were dialled. */
const ACCEPTED = { generation: 1 } as const;

/** Every connection of a network, dialled or accepted, from its first to its last moment. */
export class Roster {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #events: Events<NetworkEvents>;
  readonly #held = new Set<Connection | AcceptedLink>();
  readonly #counts = new ConnectionCounts();
  #nextSerial: number;
  #dialled = 0;
  #emptied: (() => void) | undefined = undefined;

  constructor({ clock, random, logger, events }: RosterOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#events = events;
    this.#nextSerial = Math.floor(random() * 0xffff_ffff);
  }

  /** Connections that were dialled. */
  get dialled(): number {
    return this.#dialled;
  }

  get isQualityWatched(): boolean {
    return this.#events.has("quality");
  }

  /** A place for one more connection. */
  place(protocol: string, endpoint: Endpoint): ConnectionPlace {
    this.#nextSerial = (this.#nextSerial + 1) >>> 0;
    return new Place(this.#nextSerial, protocol, { endpoint, openedAtMs: this.#clock.now() });
  }

  add(connection: Connection): void {
    this.#held.add(connection);
    this.#counts.opened("dialled", connection);
    this.#dialled++;
  }

  accepted(link: AcceptedLink): void {
    this.#held.add(link);
    this.#counts.opened("accepted", link);
    this.#log("debug", "connection opened", link);
    if (this.#events.has("connect")) this.#events.emit("connect", { ...describe(link), ...ACCEPTED });
  }

  acceptedClosed(link: AcceptedLink, closeInfo: CloseInfo): void {
    if (!this.#held.has(link)) return;
    this.#log("debug", "connection closed", link, closeFields(closeInfo));
    if (this.#events.has("disconnect")) {
      this.#events.emit("disconnect", { ...describe(link), closeInfo, willReconnect: false });
    }
    this.#closed(link, closeInfo);
  }

  /** Passes on what a dialled connection tells, and writes it down. */
  told<Name extends keyof ConnectionEvents>(connection: Connection, name: Name, event: ConnectionEvents[Name]): void {
    const told = { name, event } as Told;
    switch (told.name) {
      case "state":
        this.#log("trace", "connection state", connection, stateFields(told.event));
        this.#emit("state", connection, told.event);
        return;
      case "connect":
        this.#log("debug", "connection opened", connection, told.event);
        this.#emit("connect", connection, told.event);
        return;
      case "disconnect":
        this.#log(told.event.willReconnect ? "info" : "debug", "connection lost", connection, {
          ...closeFields(told.event.closeInfo),
          willReconnect: told.event.willReconnect,
        });
        this.#emit("disconnect", connection, told.event);
        return;
      case "reconnecting":
        this.#log("info", "connection reconnecting", connection, reconnectingFields(told.event));
        this.#emit("reconnecting", connection, told.event);
        return;
      case "reconnected":
        this.#log("info", "connection back", connection, told.event);
        this.#emit("reconnected", connection, told.event);
        return;
      case "health":
        this.#log(healthLevel(told.event), "connection health", connection, healthFields(told.event));
        this.#emit("health", connection, told.event);
        return;
      case "quality":
        this.#log("debug", "connection quality", connection, told.event);
        this.#emit("quality", connection, told.event);
        return;
      case "close":
        this.#log("debug", "connection closed", connection, closeFields(told.event));
        this.#dialled--;
        this.#closed(connection, told.event);
        return;
      default:
    }
  }

  inspect(): readonly ConnectionSnapshot[] {
    const now = this.#clock.now();
    return Array.from(this.#held, (held) => ({
      ...describe(held),
      state: held instanceof AcceptedLink ? "ready" : held.state,
      health: held instanceof AcceptedLink ? UNKNOWN_HEALTH : held.health,
      quality: held instanceof AcceptedLink ? UNKNOWN_QUALITY : held.quality,
      generation: held instanceof AcceptedLink ? 1 : held.generation,
      ageMs: now - held.place.openedAtMs,
      messagesIn: held.messagesIn,
      messagesOut: held.messagesOut,
      refusals: held.refusals,
      bufferedBytes: held.bufferedBytes,
    }));
  }

  metrics(): readonly MetricFamily[] {
    return [...this.#counts.families(this.#held, directionOf), ...vitalsFamilies("connection", this.#peers())];
  }

  *#peers(): Iterable<PeerVitals> {
    for (const held of this.#held) {
      if (held instanceof AcceptedLink) continue;
      const { place, health, quality } = held;
      yield { protocol: place.protocol, health, quality };
    }
  }

  /** Closes all; fulfilled when the last is gone. What has not gone when the signal fires is cut off. */
  closeAll(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#emptied = undefined;
        signal.removeEventListener("abort", cutOff);
        resolve();
      };
      const cutOff = (): void => {
        for (const held of this.#held) void held.close({ discard: true });
        finish();
      };
      this.#emptied = finish;
      for (const held of this.#held) void held.close();
      signal.addEventListener("abort", cutOff, { once: true });
      if (signal.aborted) cutOff();
      else if (this.#held.size === 0) finish();
    });
  }

  #closed(held: Connection | AcceptedLink, closeInfo: CloseInfo): void {
    this.#held.delete(held);
    this.#counts.closed(directionOf(held), held, closeInfo);
    if (this.#events.has("close")) this.#events.emit("close", { ...describe(held), closeInfo });
    if (this.#held.size === 0) this.#emptied?.();
  }

  #emit<Name extends keyof ConnectionEvents & keyof NetworkEvents>(
    name: Name,
    connection: Connection,
    event: ConnectionEvents[Name],
  ): void {
    if (!this.#events.has(name)) return;
    this.#events.emit(name, { ...describe(connection), ...event } as unknown as NetworkEvents[Name]);
  }

  #log(level: LogLevel, message: string, held: Connection | AcceptedLink, fields?: object): void {
    if (this.#logger.isEnabled?.(level, "network") === false) return;
    this.#logger.log(level, "network", message, { ...describe(held), ...fields });
  }
}

/** One event, so that its name tells its type. */
type Told = {
  [Name in keyof ConnectionEvents]: { readonly name: Name; readonly event: ConnectionEvents[Name] };
}[keyof ConnectionEvents];

function closeFields({ by, clean, code, reason, error }: CloseInfo): object {
  return { by, clean, code, reason, ...(error !== undefined && { error: error.message }) };
}

function stateFields({ from, to, cause, attempt }: StateChange): object {
  return { from, to, cause, attempt };
}

function reconnectingFields({ attempt, delayMs, error }: ConnectionEvents["reconnecting"]): object {
  return { attempt, delayMs: Math.round(delayMs), ...(error !== undefined && { error: error.message }) };
}

/** Makes its id when somebody asks: most connections come and go without it. */
class Place implements ConnectionPlace {
  readonly protocol: string;
  readonly endpoint: Endpoint;
  readonly openedAtMs: number;
  readonly #serial: number;

  constructor(serial: number, protocol: string, { endpoint, openedAtMs }: { endpoint: Endpoint; openedAtMs: number }) {
    this.#serial = serial;
    this.protocol = protocol;
    this.endpoint = endpoint;
    this.openedAtMs = openedAtMs;
  }

  get id(): string {
    return `conn_${this.#serial.toString(16).padStart(8, "0")}`;
  }
}

function describe(held: Connection | AcceptedLink): ConnectionEvent {
  const { id, protocol, endpoint } = held.place;
  return { id, protocol, endpoint: endpoint.display, direction: directionOf(held) };
}

function directionOf(held: Connection | AcceptedLink): Direction {
  return held instanceof AcceptedLink ? "accepted" : "dialled";
}
