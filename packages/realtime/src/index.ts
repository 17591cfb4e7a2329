// What programs use.

export { type ClientError, DISCONNECTS, type Disconnect, ERRORS, UNSUBSCRIBES, type Unsubscribe } from "./codes.ts";
export { Hub } from "./hub.ts";
export type { HubStats } from "./hub-stats.ts";
export { MemoryBroker, type MemoryBrokerOptions } from "./memory-broker.ts";
export type {
  Authenticated,
  AuthenticateRequest,
  Authorized,
  AuthorizeRequest,
  ChannelRule,
  Denied,
  HubLimits,
  HubOptions,
  Origin,
  OverflowPolicy,
  PingOptions,
  Procedure,
  ProcedureCall,
  ReceivedMessage,
} from "./options.ts";
export type { PublishOptions, Target } from "./server-calls.ts";
export type { StandardSchema } from "./standard-schema.ts";

// ————— What integrators use: dialects and brokers. —————

export type {
  Broker,
  BrokerEvents,
  Control,
  ControlCommand,
  Done,
  Draft,
  PresenceStore,
  Published,
  StreamOptions,
  StreamPage,
  StreamRead,
  Streams,
} from "./broker.ts";
export type { ClientSession, Dialect, SessionHost } from "./dialect.ts";
export { NamePattern } from "./name-pattern.ts";
export { type ChannelEvent, EVENT_FORM, type MembershipEvent, type Outlet, type PublicationEvent } from "./outlet.ts";
export type {
  Answer,
  ConnectRequest,
  ConnectResult,
  HistoryCommand,
  Pings,
  RecoverRequest,
  SubscribeRequest,
  SubscribeResult,
} from "./requests.ts";
export { sourceOf } from "./source-address.ts";
export type { FilterNode } from "./tags-filter.ts";
