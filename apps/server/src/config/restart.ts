import type { ClientConfig, ConfiguredListener, ServerConfig } from "./schema.ts";

/** What becomes of a configuration that a running server is given. */
export interface Change {
  /** What can be in force now: the wanted configuration, with the running one's values where a restart is needed. */
  readonly inForce: ServerConfig;
  /** The keys that wait for a restart. */
  readonly needRestart: readonly string[];
}

/** Links have these from when they were accepted, or were told. */
const CLIENT_KEYS = {
  pingIntervalMs: "client.pingInterval",
  pongTimeoutMs: "client.pongTimeout",
  personalChannels: "client.personalChannels",
} as const;
const LIMIT_KEYS = {
  messageBytes: "limits.messageBytes",
  queueBytes: "limits.queueBytes",
  totalQueueBytes: "limits.totalQueueBytes",
  totalHistoryBytes: "limits.totalHistoryBytes",
  connectsPerSecond: "limits.connectsPerSecond",
  connectsPerSecondPerAddress: "limits.connectsPerSecondPerAddress",
  handshakes: "limits.handshakes",
  handshakeTimeoutMs: "limits.handshakeTimeout",
  closeTimeoutMs: "limits.closeTimeout",
  requestTimeoutMs: "limits.requestTimeout",
  keepAliveTimeoutMs: "limits.keepAliveTimeout",
  frameTimeoutMs: "limits.frameTimeout",
  streamsPerConnection: "limits.streamsPerConnection",
  metadataBytes: "limits.metadataBytes",
  connectionAgeMs: "limits.connectionAge",
  datagramPeers: "limits.datagramPeers",
  datagramsPerSecond: "limits.datagramsPerSecond",
  commandsPerFrame: "limits.commandsPerFrame",
  badCommands: "limits.badCommands",
} as const;

/**
 * Tells what of a configuration a server can take while it runs, and what not.
 *
 * @param mostClients as many as its listeners were made for.
 */
export function splitChange(running: ServerConfig, wanted: ServerConfig, mostClients: number): Change {
  const needRestart: string[] = [];
  const keep = <Section extends object>(
    before: Section,
    after: Section,
    keys: { readonly [Name in keyof Section]?: string },
  ): Section => {
    const kept = { ...after };
    for (const name of Object.keys(keys) as (keyof Section)[]) {
      if (before[name] === after[name]) continue;
      kept[name] = before[name];
      needRestart.push(keys[name] as string);
    }
    return kept;
  };
  const addresses = <Listener extends ConfiguredListener>(
    key: string,
    before: readonly Listener[],
    after: readonly Listener[],
  ): readonly Listener[] => {
    const isSame =
      before.length === after.length && after.every((one) => before.some((other) => isBoundLike(one, other)));
    if (!isSame) needRestart.push(key);
    return before.map((one) => after.find((other) => isBoundLike(one, other)) ?? one);
  };
  /** Keys are replaced while the server runs; whether there are tokens, and what else they must be, is for its whole life. */
  const tokensOf = (client: ClientConfig): ClientConfig => {
    const { token: before } = running.client;
    const { token: after } = client;
    const isSame = tokenRules(before) === tokenRules(after);
    if (isSame) return client;
    needRestart.push("client.token");
    const { token, subscriptionToken, allowAnonymous } = running.client;
    return { ...client, token, subscriptionToken, allowAnonymous };
  };
  const whole = <Section>(key: string, before: Section, after: Section): Section => {
    if (JSON.stringify(before) === JSON.stringify(after)) return after;
    needRestart.push(key);
    return before;
  };
  const inForce: ServerConfig = {
    ...wanted,
    api: whole("api", running.api, wanted.api),
    hooks: whole("hooks", running.hooks, wanted.hooks),
    listen: addresses("listen", running.listen, wanted.listen),
    internal: addresses("internal", running.internal, wanted.internal),
    client: tokensOf(keep(running.client, wanted.client, CLIENT_KEYS)),
    limits: keep(running.limits, wanted.limits, {
      ...LIMIT_KEYS,
      ...(wanted.limits.clients > mostClients && { clients: "limits.clients" }),
    }),
    log: keep(running.log, wanted.log, { form: "log.form" }),
  };
  return { inForce, needRestart };
}

/** Whether nothing differs but where certificates lie: whether clients have to show one belongs to a server from its start. */
function isBoundLike(one: ConfiguredListener, other: ConfiguredListener): boolean {
  const bound = ({ url, format, tls, ...rest }: ConfiguredListener): string =>
    JSON.stringify([url, format, tls !== undefined, tls?.clientCaFile !== undefined, rest]);
  return bound(one) === bound(other);
}

/** All that is said of tokens but the keys. */
function tokenRules(token: ClientConfig["token"]): string {
  if (token === undefined) return "";
  const { key: _, previous: __, ...rules } = token;
  return JSON.stringify(rules);
}
