/** The languages the generators speak. */
export type DialectName = "centrifuge" | "plain" | "socket.io";

/**
 * The lines a generator takes on stdin, the same for the C and the Node one:
 *
 * - `open CLIENTS CHANNELS IN_FLIGHT SUBSCRIBE`: connect; client i subscribes to channel i modulo CHANNELS
 * - `publisher`: connect the client that publishes
 * - `fanout MILLISECONDS`: to channel 0, the next publication once all subscribers have the last one
 * - `rate PER_SECOND MILLISECONDS CEILING_MS`: to all channels in turn, whether or not the server keeps up
 * - `close`: drop every connection
 */
export type Command =
  | {
      readonly name: "open";
      readonly clients: number;
      readonly channels: number;
      readonly inFlight: number;
      readonly subscribe: boolean;
    }
  | { readonly name: "publisher" | "close" }
  | { readonly name: "fanout"; readonly milliseconds: number }
  | { readonly name: "rate"; readonly perSecond: number; readonly milliseconds: number; readonly ceilingMs: number };

export function commandLine(command: Command): string {
  switch (command.name) {
    case "open":
      return `open ${command.clients} ${command.channels} ${command.inFlight} ${command.subscribe ? 1 : 0}`;
    case "fanout":
      return `fanout ${command.milliseconds}`;
    case "rate":
      return `rate ${command.perSecond} ${command.milliseconds} ${command.ceilingMs}`;
    default:
      return command.name;
  }
}

/** What each command answers, as one line of JSON; `{ ok: false, error }` when the run is void. */
export interface Answer {
  readonly ok: true;
  readonly seconds: number;
  /** User and kernel time of the generator itself. */
  readonly cpuSeconds: number;
  readonly publications: number;
  /** Deliveries that all subscribers together should have had. */
  readonly expected: number;
  readonly received: number;
  /** Deliveries that did not carry the next number of their channel. */
  readonly disordered: number;
  /** Connections the server closed meanwhile. */
  readonly closed: number;
  readonly ready: number;
  /** Of deliveries, from the moment a publication was due; of `open`, from the call of connect to the last reply. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maximumUs: number;
}

export interface Refusal {
  readonly ok: false;
  readonly error: string;
}
