// What programs use.

// ————— What integrators use: protocols, services, dialects. —————
export { Cancellation, type CancellationOptions, checkTimeout, unlessAborted } from "./cancellation.ts";
export type {
  Channel,
  ChannelKind,
  ClientInfo,
  DataFormat,
  HistoryPage,
  HistoryRequest,
  LocalDelivery,
  Position,
  PresenceStats,
  Publication,
  Receipt,
} from "./channel.ts";
export { type Clock, MAX_DELAY_MS, type Random, systemClock, type Timer } from "./clock.ts";
export type { CloseInfo, CloseReason } from "./close.ts";
export {
  Connection,
  type ConnectionEvents,
  type ConnectionPlace,
  type ConnectionState,
  messages,
} from "./connection.ts";
export { Delivery, type DeliveryOwner } from "./delivery.ts";
export type { ConnectOptions } from "./dialer.ts";
export { type Endpoint, parseEndpoint, withPort } from "./endpoint.ts";
export { PolywireError } from "./error.ts";
export { ERROR_TABLE, type ErrorCode, type ErrorRow } from "./error-table.ts";
export { Events, type ListenOptions as SubscribeOptions } from "./events.ts";
export type {
  Body,
  BodySource,
  Exchange,
  Exchanger,
  Headers,
  Request,
  RequestOptions,
  Response,
  ResponseHead,
} from "./exchange.ts";
export { completeLimits, DEFAULT_LIMITS, type LinkLimits } from "./limits.ts";
export type { HalfClosable, Link, Pingable, Refusal, SendResult, Sink, Traits } from "./link.ts";
export { type ListenableServer, type ListenPlace, listenAt } from "./listen-at.ts";
export type { Listener } from "./listener.ts";
export type { LogFields, Logger, LogLevel } from "./log.ts";
export { silentLogger } from "./log.ts";
export {
  Network,
  type NetworkOptions,
  type NetworkSnapshot,
  type NetworkState,
} from "./network.ts";
export {
  checkBooleanOption,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  wrongOption,
} from "./option-checks.ts";
export { isForeignPage } from "./origin.ts";
export { Outbox, type OutboxLimits, type OutboxWire } from "./outbox.ts";
export { checkPayload, copyPayload, FramedBytes, type Framing, type Payload, type Prepared } from "./payload.ts";
export {
  ACCEPTED,
  type Accepted,
  type Admission,
  certificateOf,
  keptHeaders,
  type Peer,
  type PeerCertificate,
  type Refused,
  type X509Names,
} from "./peer.ts";
export { Pings } from "./pings.ts";
export {
  CONTRACT_VERSION,
  type DialContext,
  type ExchangeCarrier,
  type HostContext,
  type LinkCarrier,
  type ListenContext,
  type Protocol,
} from "./protocol.ts";
export type { Handler, ListenOptions } from "./reception.ts";
export type { ConnectionEvent, ConnectionSnapshot, Direction, NetworkEvents } from "./roster.ts";
export type {
  AnyProtocol,
  DialOptionsFor,
  ExchangerFor,
  LinkFor,
  ListenerFor,
  ListenOptionsFor,
  SchemeOf,
  UrlOf,
} from "./schemes.ts";
export type { Service, ServiceHost } from "./service.ts";
export { type SharedServer, SharedServers } from "./shared-servers.ts";
export { type Flushable, Turn } from "./turn.ts";
