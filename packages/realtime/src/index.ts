// What programs use.

export type { ActiveChannel } from "./channels.ts";
export { type ClientError, DISCONNECTS, type Disconnect, ERRORS, UNSUBSCRIBES, type Unsubscribe } from "./codes.ts";
export { Hub } from "./hub.ts";
export type { HubNode } from "./hub-node.ts";
export type { HubChanges } from "./hub-settings.ts";
export type { HubStats } from "./hub-stats.ts";
export { MemoryBroker, type MemoryBrokerOptions } from "./memory-broker.ts";
export type {
  Action,
  Authenticated,
  AuthenticateRequest,
  Authorized,
  AuthorizeRequest,
  Capability,
  ChannelRule,
  Denied,
  DrainOptions,
  HubLimits,
  HubOptions,
  Origin,
  OverflowPolicy,
  PingOptions,
  Procedure,
  ProcedureCall,
  PublishRequest,
  PublishVerdict,
  ReceivedMessage,
  RefreshedBy,
  ServerSubscription,
  SubscriptionFeatures,
} from "./options.ts";
export type { PublishOptions, Target } from "./server-calls.ts";
export type { StandardSchema } from "./standard-schema.ts";
export type { SystemLogLine } from "./system-channels.ts";

// ————— What integrators use: dialects and brokers. —————

export type {
  Broker,
  BrokerEvents,
  Control,
  ControlCommand,
  DocumentVersion,
  Done,
  Draft,
  PresenceStore,
  Published,
  RefreshOrder,
  StreamOptions,
  StreamPage,
  StreamRead,
  Streams,
  SubscribeOrder,
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
  RefreshResult,
  SubscribeRequest,
  SubscribeResult,
} from "./requests.ts";
export { sourceOf } from "./source-address.ts";
export type { FilterNode } from "./tags-filter.ts";
