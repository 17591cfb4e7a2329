// What programs use.

export type { Backoff, BackoffPreset } from "./connection/backoff.ts";
export type {
  Connection,
  ConnectionPlace,
  ConnectionRefusal,
  ReadyOptions,
} from "./connection/connection.ts";
export type { ConnectionEvents } from "./connection/connection-events.ts";
export type { EventStream, EventStreamOptions } from "./connection/event-stream.ts";
export { Events, type ListenOptions as SubscribeOptions } from "./connection/events.ts";
export type { Explanation } from "./connection/explanation.ts";
export type {
  AcceptStep,
  DialCall,
  DialStep,
  ExchangeCall,
  ExchangeStep,
  Interceptor,
  InterceptorHost,
  ReceiveStep,
  SendStep,
  ServePlace,
  ServeStep,
} from "./connection/interceptors.ts";
export { messages } from "./connection/messages.ts";
export type { ConnectionOptions, PendingOptions, ReconnectOptions } from "./connection/options.ts";
export type { ReconnectBudgetOptions } from "./connection/reconnect-budget.ts";
export type { ConnectionState, StateChange } from "./connection/states.ts";
export type { TimelineEntry } from "./connection/timeline.ts";
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
} from "./contract/channel.ts";
export { type Clock, MAX_DELAY_MS, type Random, systemClock, type Timer } from "./contract/clock.ts";
export type { CloseInfo, CloseReason } from "./contract/close.ts";
export { type Endpoint, parseEndpoint, withPort } from "./contract/endpoint.ts";
export { PolywireError } from "./contract/error.ts";
export { ERROR_TABLE, type ErrorCode, type ErrorRow } from "./contract/error-table.ts";
export type {
  Body,
  BodySource,
  Checkable,
  Exchange,
  Exchanger,
  Headers,
  Request,
  RequestOptions,
  Response,
  ResponseHead,
} from "./contract/exchange.ts";
export { completeLimits, DEFAULT_LIMITS, type LinkLimits } from "./contract/limits.ts";
export type { HalfClosable, Link, Pingable, Refusal, SendResult, Sink, Traits } from "./contract/link.ts";
export type { Listener } from "./contract/listener.ts";
export type { LogFields, Logger, LogLevel } from "./contract/log.ts";
export { silentLogger } from "./contract/log.ts";
export {
  checkPayload,
  copyPayload,
  FramedBytes,
  type Framing,
  type Payload,
  type Prepared,
} from "./contract/payload.ts";
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
} from "./contract/peer.ts";
export {
  CONTRACT_VERSION,
  type DialContext,
  type ExchangeCarrier,
  type HostContext,
  type LinkCarrier,
  type ListenContext,
  type Protocol,
  type TurnedAway,
} from "./contract/protocol.ts";
export type { Service, ServiceHost } from "./contract/service.ts";
export type { Health, HealthChange, HealthStatus } from "./health/health-record.ts";
export type {
  ExchangerVitalsOptions,
  HealthOptions,
  OwnCheck,
  PayloadCheck,
  QualityOptions,
  RequestCheck,
  VitalsOptions,
} from "./health/options.ts";
export type {
  HistogramFigures,
  MetricAttributes,
  MetricFamily,
  MetricKind,
  MetricPoint,
} from "./metrics/family.ts";
// ————— What integrators use: protocols, services, dialects. —————
export { Histogram } from "./metrics/histogram.ts";
export type { ConnectOptions } from "./network/dialer.ts";
export type { ExchangerVitalsNow } from "./network/exchangers.ts";
export { type HealthHandlerOptions, healthHandler } from "./network/health-handler.ts";
export type { HealthEntry, HealthReport, HealthReportOptions, HealthVerdict } from "./network/health-report.ts";
export type { ExchangerSnapshot } from "./network/held-exchanger.ts";
export {
  Network,
  type NetworkOptions,
  type NetworkSnapshot,
  type NetworkState,
  type PoolDialOptions,
} from "./network/network.ts";
export { isForeignPage } from "./network/origin.ts";
export type { Handler, ListenOptions } from "./network/reception.ts";
export type { ConnectionEvent, ConnectionSnapshot, Direction, NetworkEvents } from "./network/roster.ts";
export type {
  AnyProtocol,
  DialOptionsFor,
  ExchangerFor,
  LinkFor,
  ListenerFor,
  ListenOptionsFor,
  SchemeOf,
  UrlOf,
} from "./network/schemes.ts";
export type {
  EvictionReason,
  PoolEvents,
  PoolSnapshot,
  PoolState,
  PoolStats,
} from "./pool/figures.ts";
export type { Lease } from "./pool/lease.ts";
export type { PoolOptions, PoolOrder } from "./pool/options.ts";
export type { AcquireOptions, ClosePoolOptions, Pool } from "./pool/pool.ts";
export { assessSamples } from "./quality/assess-samples.ts";
export type { QualityLevel, QualityProfile } from "./quality/levels.ts";
export type { Quality, QualityChange } from "./quality/quality-meter.ts";
export type { QualityInput } from "./quality/scores.ts";
export { Cancellation, type CancellationOptions, checkTimeout, unlessAborted } from "./wire/cancellation.ts";
export { Delivery, type DeliveryOwner } from "./wire/delivery.ts";
export { type ListenableServer, type ListenPlace, listenAt } from "./wire/listen-at.ts";
export { Lookups } from "./wire/lookups.ts";
export {
  checkBooleanOption,
  checkCountOption,
  checkFunctionOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  wrongOption,
} from "./wire/option-checks.ts";
export { Outbox, type OutboxLimits, type OutboxWire } from "./wire/outbox.ts";
export { Pings } from "./wire/pings.ts";
export { retryAfterMs } from "./wire/retry-after.ts";
export { type SharedServer, SharedServers } from "./wire/shared-servers.ts";
export { type Flushable, Turn } from "./wire/turn.ts";
