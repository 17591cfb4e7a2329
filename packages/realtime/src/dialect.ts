import type { ClientInfo, DataFormat, Handler, HistoryPage, PresenceStats } from "@polywire/core";
import type { Disconnect } from "./codes.ts";
import type { Origin } from "./options.ts";
import type { Outlet } from "./outlet.ts";
import type {
  Answer,
  ConnectRequest,
  ConnectResult,
  HistoryCommand,
  RefreshResult,
  SubscribeRequest,
  SubscribeResult,
} from "./requests.ts";

/**
 * A language spoken over links: a dialect turns link messages into calls of a {@link ClientSession} and the hub's calls
 * of an {@link Outlet} into messages. It is a function from a hub to what `network.listen` takes. It judges no rights
 * and keeps no channels; the hub knows no wire and no encoding. Adding a dialect or a wire changes neither side.
 */
export type Dialect<Options> = (hub: SessionHost, options?: Options) => Handler;

/** The part of a hub that dialects use. */
export interface SessionHost {
  /** Opens a session, still unconnected: it ends with `stale` unless `connect` succeeds in time. */
  openSession(outlet: Outlet, origin: Origin): ClientSession;
  /** Limits that a dialect should ask of its links. */
  readonly linkLimits: {
    readonly maxMessageBytes: number;
    readonly maxBufferedBytes: number;
    readonly waitAboveBytes: number;
  };
}

/**
 * One client on the hub, as its dialect drives it. Commands are handed over in the order they came; answers may come in
 * another order, at once or later. What breaks the protocol (a command before connect, a second connect, a pong nobody
 * asked for) ends the session with `badRequest`, and no answer comes.
 *
 * Data that is handed over is the session's to keep: the dialect has copied what it borrowed.
 */
export interface ClientSession {
  /** A UUID. */
  readonly id: string;
  readonly isClosed: boolean;
  connect(request: ConnectRequest, answer: Answer<ConnectResult>): void;
  subscribe(request: SubscribeRequest, answer: Answer<SubscribeResult>): void;
  unsubscribe(channel: string, answer: Answer<undefined>): void;
  /** `format` is `json` for dialects whose data are JSON, else `binary`; the channel's rule says what it takes. */
  publish(channel: string, data: Uint8Array, format: DataFormat, answer: Answer<undefined>): void;
  presence(channel: string, answer: Answer<readonly ClientInfo[]>): void;
  presenceStats(channel: string, answer: Answer<PresenceStats>): void;
  history(command: HistoryCommand, answer: Answer<HistoryPage>): void;
  call(method: string, data: Uint8Array, answer: Answer<Uint8Array>): void;
  /** A message that wants no answer. */
  send(data: Uint8Array, format: DataFormat): void;
  /** Refreshes the connection's or a subscription's expiry with a new token. */
  refresh(token: string, answer: Answer<RefreshResult>): void;
  refreshSubscription(channel: string, token: string, answer: Answer<RefreshResult>): void;
  /** The client's answer to `outlet.ping()`. */
  pong(): void;
  /** The outlet said `wait` of an event, and its client has caught up. */
  drained(): void;
  /** Ends the session from the dialect's side: a frame that cannot be read. */
  disconnect(disconnect: Disconnect): void;
  /** The link is gone. */
  closed(): void;
}
