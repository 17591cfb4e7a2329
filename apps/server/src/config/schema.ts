import { LOG_FORMS, type LogForm } from "@polywire/log";
import { z } from "zod";
import { type ListenAddress, readInternalAddress, readListenAddress } from "./address.ts";
import { hasApi, readApiKeys } from "./api.ts";
import type { TlsFiles } from "./certificates.ts";
import { completeHooks, type HooksConfig, hooksSchema } from "./hook-settings.ts";
import { readOrigin } from "./origin.ts";
import { type ListedSetting, listSettings, setting } from "./setting.ts";
import {
  completeKeys,
  completeToken,
  type KeysConfig,
  subscriptionTokenSchema,
  type TokenConfig,
  tokenSchema,
} from "./token-settings.ts";
import {
  formatDuration,
  formatSize,
  readBoolean,
  readChoice,
  readDuration,
  readInteger,
  readSize,
  readText,
} from "./values.ts";

/** The configuration as the server uses it: checked, complete, with units in the names. */
export interface ServerConfig {
  readonly listen: readonly PublicListener[];
  readonly internal: readonly ConfiguredListener[];
  readonly client: ClientConfig;
  readonly api: ApiConfig;
  /** Absent: no backend is asked. */
  readonly hooks?: HooksConfig | undefined;
  readonly channels: readonly ChannelConfig[];
  readonly limits: LimitsConfig;
  readonly shutdown: ShutdownConfig;
  readonly log: LogConfig;
}

/** An address with what goes with it. */
export interface ConfiguredListener extends ListenAddress {
  readonly tls?: TlsFiles | undefined;
}

export interface PublicListener extends ConfiguredListener {
  /** Whether clients are pinged and have to answer: true, but where people type what clients say. */
  readonly pong: boolean;
}

export interface ClientConfig {
  /** Clients without a token are let in, as nobody in particular. */
  readonly allowAnonymous: boolean;
  /** Absent: nobody has a token. */
  readonly token?: TokenConfig | undefined;
  /** Absent: the same keys. */
  readonly subscriptionToken?: KeysConfig | undefined;
  /** Empty: only the host that serves the page. */
  readonly allowedOrigins: readonly string[];
  /** Absent: users have no channels of their own. */
  readonly personalChannels?: string | undefined;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly expiryGraceMs: number;
}

/** The server API is there when there is a key. */
export interface ApiConfig {
  /** Secrets. */
  readonly keys: readonly string[];
  /** One key on each line; read again when it changes. */
  readonly keyFile?: string | undefined;
}

export interface ChannelConfig {
  readonly match: string;
  readonly kind: ChannelKind;
  /** Who may subscribe to the system's channels; absent for all others. */
  readonly subscribe?: "clients" | undefined;
  readonly publish: "server" | "subscribers" | "clients";
  readonly data: "json" | "binary";
  readonly history?: { readonly size: number; readonly ttlMs: number } | undefined;
  readonly recovery: boolean | "cache";
  readonly positioning: boolean;
  readonly overflow: (typeof OVERFLOW_POLICIES)[number];
  /** With `keep-latest`: the tag that says what a publication is the latest of. */
  readonly overflowKey?: string | undefined;
  readonly maxSubscribers?: number | undefined;
  readonly delta?: "fossil" | undefined;
  readonly compaction: boolean;
  readonly tagsFilter: boolean;
  readonly presence: boolean;
  readonly joinLeave: boolean;
  readonly read: "subscribers" | "clients";
}

export interface LimitsConfig {
  readonly clients: number;
  readonly clientsPerUser: number;
  readonly messageBytes: number;
  readonly clientsPerAddress?: number | undefined;
  readonly connectsPerSecond?: number | undefined;
  readonly connectsPerSecondPerAddress?: number | undefined;
  readonly handshakes: number;
  readonly handshakeTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly frameTimeoutMs: number;
  readonly streamsPerConnection: number;
  readonly metadataBytes: number;
  readonly connectionAgeMs: number;
  readonly datagramPeers: number;
  readonly datagramsPerSecond: number;
  readonly queueBytes: number;
  readonly totalQueueBytes: number;
  readonly commandsPerSecond: number;
  readonly publishesPerSecond: number;
  readonly commandsPerFrame: number;
  readonly badCommands: number;
  readonly channelsPerClient: number;
  readonly channelNameBytes: number;
  readonly subscribersPerChannel: number;
  readonly historyBytesPerChannel: number;
  readonly totalHistoryBytes: number;
  readonly historyPageSize: number;
  readonly recoverySize: number;
  readonly presenceMembers: number;
  readonly joinLeaveMembers: number;
}

export interface ShutdownConfig {
  readonly clientsPerSecond: number;
  readonly spreadMs: number;
  readonly timeoutMs: number;
}

export interface LogConfig {
  readonly level: LogLevelName;
  readonly levels: Readonly<Record<string, LogLevelName>>;
  readonly form: LogForm;
}

type LogLevelName = (typeof LOG_LEVELS)[number];
type ChannelKind = (typeof KINDS)[number];

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
const KINDS = ["public", "private", "broadcast", "system"] as const;
const PUBLISHERS = ["server", "subscribers", "clients"] as const;
const READERS = ["subscribers", "clients"] as const;
const OVERFLOW_POLICIES = ["disconnect", "drop-oldest", "drop-newest", "keep-latest"] as const;
const DATA_KINDS = ["json", "binary"] as const;

const GIBIBYTE = 1_073_741_824;
const TEBIBYTE = 1_099_511_627_776;

/** How the default of a limit reads that there is only when it is given. */
const OFF = "off";

/** With no channels in the configuration: a chat, and everything else without any frills. */
const DEFAULT_CHANNELS: z.input<typeof channelSchema>[] = [
  {
    match: "chat:*",
    kind: "public",
    publish: "subscribers",
    history: { size: 1000, ttl: "300s" },
    recovery: true,
    presence: true,
    joinLeave: true,
    read: "subscribers",
  },
  { match: "*", kind: "public" },
];

function wholeNumber(description: string, fallback: number, max: number) {
  return setting({ form: "number", description, default: String(fallback) }, (raw) =>
    readInteger(raw, { min: 1, max }),
  ).default(fallback);
}

/** A number that nothing limits unless it is given. */
function optionalNumber(description: string, fallback: string, max: number) {
  return setting({ form: "number", description, default: fallback }, (raw) =>
    readInteger(raw, { min: 1, max }),
  ).optional();
}

function size(description: string, fallback: number, { min, max = GIBIBYTE }: { min: number; max?: number }) {
  return setting({ form: "text", description, default: formatSize(fallback) }, (raw) =>
    readSize(raw, { min, max }),
  ).default(fallback);
}

function duration(description: string, fallback: number, bounds: { min: number; max: number }) {
  return setting({ form: "text", description, default: formatDuration(fallback) }, (raw) =>
    readDuration(raw, bounds),
  ).default(fallback);
}

function yesOrNo(description: string, fallback: boolean) {
  return setting({ form: "boolean", description, default: String(fallback) }, readBoolean).default(fallback);
}

function choice<Word extends string>(description: string, words: readonly Word[], fallback: NoInfer<Word>) {
  return setting({ form: "text", description, default: fallback }, (raw) => readChoice(raw, words)).default(fallback);
}

function fileName(description: string) {
  return setting({ form: "text", description, default: "" }, (raw) => readText(raw, 4_096));
}

const tlsSchema = z
  .strictObject({
    certFile: fileName("certificate, with those between it and its authority, in PEM"),
    keyFile: fileName("its key, in PEM"),
    clientCaFile: fileName("authorities of clients; with it every client has to show a certificate").optional(),
  })
  .optional();

/** Addresses as a list; one that needs nothing besides may be written as a text. */
function addressList<Entry extends z.ZodObject>(
  entry: Entry,
  { description, fallback }: { readonly description: string; readonly fallback: readonly string[] },
) {
  const written = z.preprocess((raw) => (typeof raw === "string" ? { url: raw } : raw), entry);
  return z
    .array(written)
    .min(1)
    .meta({ setting: { form: "list", description, default: fallback.join(", ") } });
}

const publicEntry = z.strictObject({
  url: setting(
    {
      form: "text",
      description:
        "`http://`, `https://`, `tcp://`, `tcps://`, `udp://`, `grpc://` or `grpcs://` with host and port, or `unix:/path`; " +
        "`tcp`, `tcps` and `unix` take `?format=protobuf`",
      default: "",
    },
    readListenAddress,
  ),
  pong: yesOrNo("`false`: clients of this `tcp`, `tcps` or `unix` address are not pinged, for `nc`", true),
  tls: tlsSchema,
});

const internalEntry = z.strictObject({
  url: setting(
    { form: "text", description: "`http://`, `https://`, `grpc://` or `grpcs://` with host and port", default: "" },
    readInternalAddress,
  ),
  tls: tlsSchema,
});

/** Where the machine itself finds the server, and where it calls the server API over gRPC. */
const DEFAULT_INTERNAL = "http://127.0.0.1:9000";
const DEFAULT_INTERNAL_CALLS = "grpc://127.0.0.1:10000";

/** Where clients of every wire find the server. */
const DEFAULT_LISTEN = [
  "http://127.0.0.1:8000",
  "tcp://127.0.0.1:7000",
  "udp://127.0.0.1:7000",
  "grpc://127.0.0.1:11000",
] as const;

const historySchema = z.strictObject({
  size: setting({ form: "number", description: "how many publications are kept", default: "" }, (raw) =>
    readInteger(raw, { min: 1, max: 100_000 }),
  ),
  ttl: setting({ form: "text", description: "how long each is kept, such as `300s`", default: "" }, (raw) =>
    readDuration(raw),
  ),
});

const channelSchema = z.strictObject({
  match: setting({ form: "text", description: "pattern of names; `*` stands for any text", default: "" }, (raw) =>
    readText(raw, 255),
  ),
  kind: setting(
    {
      form: "text",
      description:
        "`public`: any client may subscribe; `private`: who has a token for it, a capability, or is named after `#` in `dialog#42,43`; `broadcast`: everyone is subscribed at connect, the server API alone publishes; `system`: the server's own, `$system:*`",
      default: "public",
    },
    readKind,
  ).default("public"),
  subscribe: setting(
    { form: "text", description: "for `system`: `clients`, every client may subscribe", default: "" },
    readSubscribe,
  ).optional(),
  publish: choice("who may publish: `server`, `subscribers` or `clients`", PUBLISHERS, "server"),
  data: choice("what publications hold: `json` or `binary`", DATA_KINDS, "json"),
  history: historySchema.optional(),
  recovery: setting(
    {
      form: "text",
      description:
        "`true`: clients get what they missed; `cache`: the latest only, at every subscribe; needs `history`",
      default: "false",
    },
    readRecovery,
  ).default(false),
  positioning: yesOrNo("subscribers that missed something are told so, also without `history`", false),
  overflow: choice(
    "what a subscriber that is behind is spared: nothing, until it is cut (`disconnect`), `drop-oldest`, `drop-newest`, or all but the latest (`keep-latest`)",
    OVERFLOW_POLICIES,
    "disconnect",
  ),
  overflowKey: setting(
    {
      form: "text",
      description: "with `keep-latest`: the tag that says what a publication is the latest of",
      default: "",
    },
    (raw) => readText(raw, 255),
  ).optional(),
  maxSubscribers: setting(
    {
      form: "number",
      description: "subscribers of each such channel, instead of `limits.subscribersPerChannel`",
      default: "",
    },
    (raw) => readInteger(raw, { min: 1, max: 1_000_000 }),
  ).optional(),
  delta: setting(
    { form: "text", description: "`fossil`: clients that ask for it are told what changed, as patches", default: "" },
    readDelta,
  ).optional(),
  compaction: yesOrNo("clients that know how are told a number instead of the channel's name", false),
  tagsFilter: yesOrNo("subscribers may ask for publications with certain tags only", false),
  presence: yesOrNo("clients may ask who is there", false),
  joinLeave: yesOrNo("subscribers are told who comes and goes", false),
  read: choice("who may ask for history and presence: `subscribers` or `clients`", READERS, "subscribers"),
});

function readPersonal(raw: unknown): string {
  const name = readText(raw, 64);
  if (/[#*]|^$/.test(name)) throw new Error("must be the name before the #, such as personal");
  return name;
}

function readKind(raw: unknown): ChannelKind {
  return readChoice(raw, KINDS);
}

function readSubscribe(raw: unknown): "clients" {
  if (raw === "clients") return raw;
  throw new Error('must be "clients"');
}

function readRecovery(raw: unknown): boolean | "cache" {
  if (typeof raw === "boolean" || raw === "cache") return raw;
  throw new Error('must be true, false or "cache"');
}

function readDelta(raw: unknown): "fossil" {
  if (raw === "fossil") return raw;
  throw new Error('must be "fossil", or left out');
}

/** Everything that can be configured. A key that is not here is refused. */
const configSchema = z.strictObject({
  listen: addressList(publicEntry, {
    description: "public addresses: each serves clients, an HTTP address the page and health too",
    fallback: DEFAULT_LISTEN,
  }).prefault([...DEFAULT_LISTEN]),
  internal: addressList(internalEntry, {
    description:
      "internal addresses: the server API, health with figures, and `/metrics`; with a key `grpc://127.0.0.1:10000` too; one may equal a public address, which has neither figures nor `/metrics`",
    fallback: [DEFAULT_INTERNAL],
  }).optional(),
  client: z
    .strictObject({
      allowAnonymous: setting(
        {
          form: "boolean",
          description: "clients need no token; it is `true` without `client.token`, else `false`",
          default: "",
        },
        readBoolean,
      ).optional(),
      token: tokenSchema,
      subscriptionToken: subscriptionTokenSchema,
      allowedOrigins: z
        .array(setting({ form: "text", description: "an origin", default: "" }, readOrigin))
        .meta({
          setting: {
            form: "list",
            description: "origins of pages that may connect, besides those of this host; `*` stands for any text",
            default: "none",
          },
        })
        .default([]),
      personalChannels: setting(
        {
          form: "text",
          description: "subscribes each user to a channel of its own: `personal` means `personal#42` for the user 42",
          default: "",
        },
        readPersonal,
      ).optional(),
      pingInterval: duration("time between pings to a client, in whole seconds", 25_000, {
        min: 1_000,
        max: 3_600_000,
      }),
      pongTimeout: duration("time a client has to answer; less than `pingInterval`", 8_000, { min: 100, max: 600_000 }),
      connectTimeout: duration("time from opening a connection to being connected", 10_000, { min: 100, max: 600_000 }),
      expiryGrace: duration("time a client has for a refresh once its token is over", 25_000, {
        min: 1_000,
        max: 600_000,
      }),
    })
    .prefault({}),
  api: z
    .strictObject({
      key: setting(
        {
          form: "list",
          description:
            "keys of the server API, 16 characters or more each: one, or several while they are changed; without one the API is off",
          default: "none",
        },
        readApiKeys,
      ).optional(),
      keyFile: fileName("file with the keys instead, one on each line; read again when it changes").optional(),
    })
    .prefault({}),
  hooks: hooksSchema,
  channels: z
    .array(channelSchema)
    .min(1)
    .meta({
      setting: {
        form: "yaml",
        description: "rules for channels; the first that matches decides",
        default: "two rules, see below",
      },
    })
    .prefault(DEFAULT_CHANNELS),
  limits: z
    .strictObject({
      clients: wholeNumber("clients at once", 10_000, 1_000_000),
      clientsPerUser: wholeNumber("clients of one user at once; anonymous ones are not counted", 10, 1_000_000),
      clientsPerAddress: optionalNumber(
        "clients at once from one address, or one IPv6 network of 64 bits",
        OFF,
        1_000_000,
      ),
      connectsPerSecond: optionalNumber("clients that may come in a second; others get 503", OFF, 1_000_000),
      connectsPerSecondPerAddress: optionalNumber("the same from one address, or one IPv6 network", OFF, 1_000_000),
      handshakes: wholeNumber("handshakes under way at each address; others get 503", 500, 1_000_000),
      handshakeTimeout: duration("time for a handshake, TLS included, and for the headers of a request", 10_000, {
        min: 100,
        max: 600_000,
      }),
      closeTimeout: duration("time for a client's part of a close", 5_000, { min: 100, max: 600_000 }),
      requestTimeout: duration(
        "time for a request over HTTP to arrive whole; never less than `handshakeTimeout`",
        30_000,
        { min: 100, max: 3_600_000 },
      ),
      keepAliveTimeout: duration("how long a connection of HTTP without a request is kept", 5_000, {
        min: 100,
        max: 600_000,
      }),
      frameTimeout: duration("time for a message over TCP to arrive whole", 30_000, { min: 100, max: 3_600_000 }),
      streamsPerConnection: wholeNumber("calls at once on one connection of gRPC", 100, 1_000_000),
      metadataBytes: size("metadata of a call over gRPC", 8_192, { min: 1_024 }),
      connectionAge: duration("after this a connection of gRPC takes no more calls", 3_600_000, {
        min: 100,
        max: 86_400_000,
      }),
      datagramPeers: wholeNumber("peers that each UDP address knows", 10_000, 1_000_000),
      datagramsPerSecond: wholeNumber(
        "datagrams in a second from one UDP address before it has a link, and from all sensors",
        20_000,
        100_000_000,
      ),
      messageBytes: size("largest message that a client may send", 1_048_576, { min: 1_024 }),
      queueBytes: size("what may wait for one slow client; past it the client is cut with 3008", 4_194_304, {
        min: 1_024,
      }),
      totalQueueBytes: size(
        "what may wait for all clients; past it those with the largest queues are cut with 3008",
        268_435_456,
        { min: 1_024, max: TEBIBYTE },
      ),
      commandsPerSecond: wholeNumber(
        "commands of a client in a second, twice as many at once; others are answered 111, a flood ends with 3013",
        100,
        1_000_000,
      ),
      publishesPerSecond: wholeNumber("the same for publishes alone, which are commands too", 100, 1_000_000),
      commandsPerFrame: wholeNumber("commands in one frame; more end the client with 3501", 256, 100_000),
      badCommands: wholeNumber("bad commands (107) within 10 s that end the client with 3509", 10, 100_000),
      channelsPerClient: wholeNumber("subscriptions of one client", 128, 100_000),
      channelNameBytes: size("length of a channel's name", 255, { min: 1 }),
      subscribersPerChannel: wholeNumber("subscribers of one channel", 1_000, 1_000_000),
      historyBytesPerChannel: size("history of one channel", 16_777_216, { min: 1_024 }),
      totalHistoryBytes: size("history of all channels; past it those least used lose theirs first", 268_435_456, {
        min: 1_024,
        max: TEBIBYTE,
      }),
      historyPageSize: wholeNumber("publications in one page of history", 300, 100_000),
      recoverySize: wholeNumber("publications in one recovery; whoever missed more is told so", 300, 100_000),
      presenceMembers: wholeNumber("members told in one answer", 1_000, 1_000_000),
      joinLeaveMembers: wholeNumber("members above which joins and leaves are no longer told", 100, 1_000_000),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      clientsPerSecond: wholeNumber("clients ended in a second once the server stops", 500, 1_000_000),
      spread: duration(
        "longest time for all of them: with so many that it would take longer, more in a second",
        20_000,
        {
          min: 100,
          max: 3_600_000,
        },
      ),
      timeout: duration("what is not over by then is cut off", 25_000, { min: 100, max: 7_200_000 }),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: choice("`trace`, `debug`, `info`, `warn`, `error` or `silent`", LOG_LEVELS, "info"),
      levels: z
        .record(
          z.string().max(64),
          setting({ form: "text", description: "a level", default: "" }, (raw) => readChoice(raw, LOG_LEVELS)),
        )
        .meta({
          setting: {
            form: "yaml",
            description: "the same for single components, such as `{ network: debug, hub: warn }`",
            default: "none",
          },
        })
        .default({}),
      form: choice("`tree` for people, `json` or `logfmt` for programs", LOG_FORMS, "tree"),
    })
    .prefault({}),
});

/** Every key with its form, meaning and default. */
export const SETTINGS: readonly ListedSetting[] = listSettings(configSchema);

export type Issue = z.core.$ZodIssue;

/** Checks plain values key by key: the configuration, or what is wrong with them. */
export function checkConfig(raw: unknown): { readonly config: ServerConfig } | { readonly issues: readonly Issue[] } {
  const checked = configSchema.safeParse(raw);
  return checked.success ? { config: completeConfig(checked.data) } : { issues: checked.error.issues };
}

/** The checked values under the names that the server uses. */
function completeConfig(checked: z.output<typeof configSchema>): ServerConfig {
  const { listen, internal, client, channels, limits, shutdown, log } = checked;
  const api: ApiConfig = { keys: checked.api.key ?? [], keyFile: checked.api.keyFile };
  const { pingInterval, pongTimeout, connectTimeout, expiryGrace, token, subscriptionToken, ...otherClient } = client;
  const { allowAnonymous = token === undefined } = client;
  const { handshakeTimeout, closeTimeout, requestTimeout, keepAliveTimeout, ...otherLimits } = limits;
  const { frameTimeout, connectionAge, ...numbers } = otherLimits;
  return {
    listen: listen.map(({ url, pong, tls }) => ({ ...url, pong, tls })),
    internal: internal?.map(({ url, tls }) => ({ ...url, tls })) ?? defaultInternal(api),
    client: {
      ...otherClient,
      allowAnonymous,
      token: completeToken(token),
      subscriptionToken: completeKeys(subscriptionToken),
      pingIntervalMs: pingInterval,
      pongTimeoutMs: pongTimeout,
      connectTimeoutMs: connectTimeout,
      expiryGraceMs: expiryGrace,
    },
    api,
    hooks: completeHooks(checked.hooks),
    channels: channels.map(({ history, ...rest }) => ({
      ...rest,
      history: history && { size: history.size, ttlMs: history.ttl },
    })),
    limits: {
      ...numbers,
      handshakeTimeoutMs: handshakeTimeout,
      closeTimeoutMs: closeTimeout,
      requestTimeoutMs: requestTimeout,
      keepAliveTimeoutMs: keepAliveTimeout,
      frameTimeoutMs: frameTimeout,
      connectionAgeMs: connectionAge,
    },
    shutdown: {
      clientsPerSecond: shutdown.clientsPerSecond,
      spreadMs: shutdown.spread,
      timeoutMs: shutdown.timeout,
    },
    log,
  };
}

function defaultInternal(api: ApiConfig): readonly ConfiguredListener[] {
  const urls = hasApi(api) ? [DEFAULT_INTERNAL, DEFAULT_INTERNAL_CALLS] : [DEFAULT_INTERNAL];
  return urls.map((url) => ({ ...readInternalAddress(url), tls: undefined }));
}
