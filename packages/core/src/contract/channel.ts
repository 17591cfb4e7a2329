/**
 * A place in a channel's stream. Offsets count from 1; the epoch names the stream they count in, because after a
 * restart or an expiry offsets begin again and an old one would mean something else.
 */
export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/**
 * What the bytes of a publication are: JSON text, plain text (a JSON string on JSON wires), or anything.
 */
export type DataFormat = "json" | "text" | "binary";

export type ChannelKind = "public" | "private" | "system" | "broadcast";

/** Who a client is, as others may see it. */
export interface ClientInfo {
  /** The session's id. */
  readonly client: string;
  /** The user's id; empty for an anonymous user. */
  readonly user: string;
  /** JSON text that the server attached to the connection. */
  readonly connectionInfo?: Uint8Array;
  /** JSON text that the server attached to the subscription. */
  readonly channelInfo?: Uint8Array;
}

/** One message of a channel. Immutable; one object serves every subscriber. */
export interface Publication {
  /** As published, never re-serialised. UTF-8 for `json` and `text`. Must not be changed. */
  readonly data: Uint8Array;
  readonly format: DataFormat;
  /** The publisher, when it was a client. */
  readonly info?: ClientInfo;
  /** Its offset in the stream; absent when the channel keeps no history. */
  readonly offset?: number;
  readonly tags?: ReadonlyMap<string, string>;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time?: number;
}

/** What became of a publish. */
export interface Receipt {
  /** Its position, when the channel keeps history. */
  readonly position?: Position;
  /** What this process did; other processes have their own subscribers. */
  readonly local: LocalDelivery;
}

export interface LocalDelivery {
  /** Subscribers of this process at the time. */
  readonly matched: number;
  /** Of those, how many the publication was queued to. */
  readonly queued: number;
  /** Of those, how many did not get it: cut for being slow, or told to recover. */
  readonly dropped: number;
}

export interface HistoryPage {
  readonly publications: readonly Publication[];
  /** The top of the stream. */
  readonly position: Position;
}

export interface HistoryRequest {
  /** Most publications; 0 asks for the position only. */
  readonly limit: number;
  /** Exclusive: what comes after it (or before it, in reverse). */
  readonly since?: Position;
  readonly reverse?: boolean;
}

export interface PresenceStats {
  readonly clients: number;
  readonly users: number;
}

/** A channel as a program uses it, whatever lies below. */
export interface Channel<Data = unknown> {
  readonly name: string;
  readonly kind: ChannelKind;
  publish(data: Data): Promise<Receipt>;
  /** Calls back for every publication until the returned function is called. */
  subscribe(listener: (publication: Publication) => void): () => void;
  history(request?: Partial<HistoryRequest>): Promise<HistoryPage>;
  presence(): Promise<readonly ClientInfo[]>;
}
