/** What the bench and the two processes of a crowd say to each other. */

export interface ServerReady {
  readonly port: number;
}

export type ServerOrder = "figures" | "collect" | "stop";

/** How the server is; `longestStallMs` since the last time. */
export interface ServerFigures {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly longestStallMs: number;
  readonly sessions: number;
  readonly cpuSeconds: number;
}

export type LoadOrder =
  | { readonly do: "connect"; readonly port: number; readonly clients: number }
  | { readonly do: "steady"; readonly seconds: number }
  | { readonly do: "storm" }
  /** The server is about to go: members come back by themselves, as SDKs do. */
  | { readonly do: "return" }
  | { readonly do: "stop" };

/** What became of one phase. */
export interface LoadReport {
  readonly seconds: number;
  readonly deliveries: number;
  /** Publications that somebody should have had and had not. */
  readonly lost: number;
  readonly repeated: number;
  readonly reconnects: number;
  /** Recoveries that the server could not do, though its stream was the same. */
  readonly unrecovered: number;
  readonly errors: readonly string[];
  /** Of deliveries to the big channels, from the call of publish. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}
