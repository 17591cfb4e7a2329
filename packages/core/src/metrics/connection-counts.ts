import type { CloseInfo } from "../contract/close.ts";
import type { MetricAttributes, MetricFamily, MetricPoint } from "./family.ts";
import { Tally } from "./tally.ts";

/** What is read of a connection, dialled or accepted, when somebody asks. */
export interface CountedConnection {
  readonly place: { readonly protocol: string };
  /** Absent: `ready`, as accepted links are. */
  readonly state?: string;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly refusals: number;
  readonly bufferedBytes: number;
  /** Of the links before this one. Absent: there was none. */
  readonly bytesLost?: number;
}

export type CountedDirection = "dialled" | "accepted";

/** What the connections of one protocol and direction have done together. */
class Totals {
  readonly attributes: MetricAttributes;
  opened = 0;
  messagesIn = 0;
  messagesOut = 0;
  refusals = 0;
  bytesLost = 0;

  constructor(attributes: MetricAttributes) {
    this.attributes = attributes;
  }

  add({ messagesIn, messagesOut, refusals, bytesLost = 0 }: CountedConnection): void {
    this.messagesIn += messagesIn;
    this.messagesOut += messagesOut;
    this.refusals += refusals;
    this.bytesLost += bytesLost;
  }
}

/** Totals with what the living have counted so far. */
class TotalsNow extends Totals {
  bufferedBytes = 0;
  readonly states = new Map<string, number>();

  live(connection: CountedConnection): void {
    const { state = "ready", bufferedBytes } = connection;
    this.add(connection);
    this.bufferedBytes += bufferedBytes;
    this.states.set(state, (this.states.get(state) ?? 0) + 1);
  }
}

/**
 * What the connections of a network have done. A connection counts for itself while it lives, so nothing is added to a
 * message; what it had counted is kept when it goes, so nothing ever falls.
 */
export class ConnectionCounts {
  readonly #dialled = new Map<string, Totals>();
  readonly #accepted = new Map<string, Totals>();
  readonly #closes = new Map<Totals, Tally>();

  opened(direction: CountedDirection, { place }: CountedConnection): void {
    this.#totalsOf(direction, place.protocol).opened++;
  }

  /** Called once for each, in the moment in which it is no longer held. */
  closed(direction: CountedDirection, connection: CountedConnection, closeInfo: CloseInfo): void {
    const totals = this.#totalsOf(direction, connection.place.protocol);
    totals.add(connection);
    if (connection.bytesLost === undefined) totals.bytesLost += closeInfo.bytesLost;
    let closes = this.#closes.get(totals);
    if (closes === undefined) {
      closes = new Tally();
      this.#closes.set(totals, closes);
    }
    closes.add(closeInfo.by, closeInfo.error?.code);
  }

  /** Reads every connection that is held: for once in some seconds. */
  families<Held extends CountedConnection>(
    all: Iterable<Held>,
    directionOf: (held: Held) => CountedDirection,
  ): MetricFamily[] {
    const now = this.#now(all, directionOf);
    const points = (read: (totals: TotalsNow) => number, more?: MetricAttributes): MetricPoint[] =>
      now.map((totals) => ({ attributes: { ...totals.attributes, ...more }, value: read(totals) }));
    return [
      {
        name: "polywire.connection.count",
        description: "Connections that there are.",
        unit: "{connection}",
        kind: "gauge",
        points: now.flatMap(statePoints),
      },
      {
        name: "polywire.connection.opened",
        description: "Connections that were made or accepted.",
        unit: "{connection}",
        kind: "counter",
        points: points(({ opened }) => opened),
      },
      {
        name: "polywire.connection.closed",
        description: "Connections that ended, by who ended them, and with which error if one did.",
        unit: "{connection}",
        kind: "counter",
        points: Array.from(this.#closes, ([{ attributes }, closes]) => closePoints(attributes, closes)).flat(),
      },
      {
        name: "polywire.connection.messages",
        description: "Messages received and accepted for sending; chunks where a wire has no messages.",
        unit: "{message}",
        kind: "counter",
        points: [
          ...points(({ messagesIn }) => messagesIn, { "network.io.direction": "receive" }),
          ...points(({ messagesOut }) => messagesOut, { "network.io.direction": "transmit" }),
        ],
      },
      {
        name: "polywire.connection.refusals",
        description: "Messages that were refused where they were sent.",
        unit: "{message}",
        kind: "counter",
        points: points(({ refusals }) => refusals),
      },
      {
        name: "polywire.connection.lost",
        description: "What was accepted for sending and never left.",
        unit: "By",
        kind: "counter",
        points: points(({ bytesLost }) => bytesLost),
      },
      {
        name: "polywire.connection.buffered",
        description: "What was accepted for sending and has not left yet.",
        unit: "By",
        kind: "gauge",
        points: points(({ bufferedBytes }) => bufferedBytes),
      },
    ];
  }

  #now<Held extends CountedConnection>(
    all: Iterable<Held>,
    directionOf: (held: Held) => CountedDirection,
  ): TotalsNow[] {
    const byTotals = new Map<Totals, TotalsNow>();
    for (const totals of [...this.#dialled.values(), ...this.#accepted.values()]) {
      byTotals.set(totals, Object.assign(new TotalsNow(totals.attributes), totals));
    }
    for (const held of all) byTotals.get(this.#totalsOf(directionOf(held), held.place.protocol))?.live(held);
    return [...byTotals.values()];
  }

  #totalsOf(direction: CountedDirection, protocol: string): Totals {
    const ofDirection = direction === "dialled" ? this.#dialled : this.#accepted;
    let totals = ofDirection.get(protocol);
    if (totals === undefined) {
      totals = new Totals({ "network.protocol.name": protocol, "polywire.connection.direction": direction });
      ofDirection.set(protocol, totals);
    }
    return totals;
  }
}

function statePoints({ attributes, states }: TotalsNow): MetricPoint[] {
  return Array.from(states, ([state, value]) => ({
    attributes: { ...attributes, "polywire.connection.state": state },
    value,
  }));
}

function closePoints(attributes: MetricAttributes, closes: Tally): MetricPoint[] {
  return closes.points((by, code) => ({
    ...attributes,
    "polywire.close.by": by,
    ...(code !== "" && { "error.type": code }),
  }));
}
