import { Connection, type ConnectionPlace } from "../connection/connection.ts";
import type { Events } from "../connection/events.ts";
import type { Clock, Random } from "../contract/clock.ts";
import type { CloseInfo } from "../contract/close.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Logger } from "../contract/log.ts";
import { ConnectionCounts } from "../metrics/connection-counts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import type { AcceptedLink } from "./accepted-link.ts";

export type Direction = "dialled" | "accepted";

export interface NetworkEvents {
  /** A link was dialled or accepted. */
  connect: ConnectionEvent;
  /** One that had connected is gone. */
  disconnect: ConnectionEvent & { readonly closeInfo: CloseInfo };
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

/** Every connection of a network, dialled or accepted, from its first to its last moment. */
export class Roster {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #events: Events<NetworkEvents>;
  readonly #held = new Set<Connection | AcceptedLink>();
  readonly #counts = new ConnectionCounts();
  #nextSerial: number;

  constructor({ clock, random, logger, events }: RosterOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#events = events;
    this.#nextSerial = Math.floor(random() * 0xffff_ffff);
  }

  /** A place for one more connection. */
  place(protocol: string, endpoint: Endpoint): ConnectionPlace {
    this.#nextSerial = (this.#nextSerial + 1) >>> 0;
    return new Place(this.#nextSerial, protocol, { endpoint, openedAtMs: this.#clock.now() });
  }

  add(held: Connection | AcceptedLink): void {
    this.#held.add(held);
    this.#counts.opened(directionOf(held), held);
    if (this.#isLogged()) this.#logger.log("debug", "network", "connection opened", { ...describe(held) });
    if (this.#events.has("connect")) this.#events.emit("connect", describe(held));
  }

  remove(held: Connection | AcceptedLink, closeInfo: CloseInfo): void {
    if (!this.#held.delete(held)) return;
    this.#counts.closed(directionOf(held), held, closeInfo);
    if (this.#isLogged()) {
      const { by, clean, code, reason } = closeInfo;
      this.#logger.log("debug", "network", "connection closed", { ...describe(held), by, clean, code, reason });
    }
    if (this.#events.has("disconnect")) this.#events.emit("disconnect", { ...describe(held), closeInfo });
  }

  #isLogged(): boolean {
    return this.#logger.isEnabled?.("debug", "network") ?? true;
  }

  inspect(): readonly ConnectionSnapshot[] {
    const now = this.#clock.now();
    return Array.from(this.#held, (held) => ({
      ...describe(held),
      ageMs: now - held.place.openedAtMs,
      messagesIn: held.messagesIn,
      messagesOut: held.messagesOut,
      refusals: held.refusals,
      bufferedBytes: held.bufferedBytes,
    }));
  }

  metrics(): readonly MetricFamily[] {
    return this.#counts.families(this.#held, directionOf);
  }

  /** Closes all; fulfilled when the last is gone. What has not gone when the signal fires is cut off. */
  closeAll(signal: AbortSignal): Promise<void> {
    for (const held of this.#held) void held.close();
    return new Promise((resolve) => {
      const finish = (): void => {
        unsubscribe();
        signal.removeEventListener("abort", cutOff);
        resolve();
      };
      const finishWhenEmpty = (): void => {
        if (this.#held.size === 0) finish();
      };
      const cutOff = (): void => {
        for (const held of this.#held) void held.close({ discard: true });
        finish();
      };
      const unsubscribe = this.#events.on("disconnect", finishWhenEmpty, { priority: -1 });
      signal.addEventListener("abort", cutOff, { once: true });
      if (signal.aborted) cutOff();
      else finishWhenEmpty();
    });
  }
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
  return held instanceof Connection ? "dialled" : "accepted";
}
