import {
  type Clock,
  checkCountOption,
  checkObjectOption,
  checkOptionNames,
  checkTimeout,
  type Endpoint,
  type Logger,
  PolywireError,
  parseEndpoint,
  silentLogger,
  systemClock,
  wrongOption,
} from "@polywire/core";
import type { BreakerOptions } from "@polywire/core/interceptors";

/** What a backend can be asked. */
export type HookEvent = "connect" | "refresh" | "subscribe" | "subRefresh" | "publish" | "rpc";

export interface HookOptions {
  /** Where the question is posted: `http:` or `https:`. */
  readonly url: string;
  /** For the answer, retries included, in milliseconds. 1,000. The hub itself waits 5,000 at most. */
  readonly timeoutMs?: number;
  /**
   * `subscribe`, `subRefresh` and `publish`: names, or patterns in which `*` stands for any characters. The backend is asked about
   * these channels only. All by default.
   */
  readonly channels?: readonly string[];
}

export interface HttpHooksOptions extends Partial<Readonly<Record<HookEvent, HookOptions>>> {
  /** Go with every question: a secret that the backend knows, say. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers of the client's handshake that are passed on with `connect` and `refresh`: `cookie`, `authorization`. None by default. */
  readonly clientHeaders?: readonly string[];
  /** When a backend that fails is left alone for a while. */
  readonly breaker?: Pick<
    BreakerOptions,
    "consecutiveFailures" | "errorRate" | "minimumVolume" | "windowMs" | "openMs"
  >;
  /** Connections to one backend at once; further questions wait. 32. */
  readonly connections?: number;
  /** Options of TLS, as for `tls.connect`. */
  readonly tls?: object;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** One question's target, complete. */
export interface HookTarget {
  readonly endpoint: Endpoint;
  readonly url: string;
  readonly timeoutMs: number;
  readonly channels: readonly string[] | undefined;
}

export interface CompleteOptions {
  readonly targets: ReadonlyMap<HookEvent, HookTarget>;
  readonly headers: Readonly<Record<string, string>>;
  readonly clientHeaders: readonly string[];
  readonly breaker: NonNullable<HttpHooksOptions["breaker"]>;
  readonly connections: number;
  readonly tls: object | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

const DEFAULT_TIMEOUT_MS = 1_000;
const DEFAULT_CONNECTIONS = 32;
const EVENTS: readonly HookEvent[] = ["connect", "refresh", "subscribe", "subRefresh", "publish", "rpc"];
const CHANNEL_EVENTS: readonly HookEvent[] = ["subscribe", "subRefresh", "publish"];
const NAMES = [...EVENTS, "headers", "clientHeaders", "breaker", "connections", "tls", "logger", "clock"];
/** RFC 9110, sections 5.1 and 5.5. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/** @throws PolywireError `invalid-argument` naming the option that is wrong, never a header's value. */
export function completeOptions(given: HttpHooksOptions): CompleteOptions {
  checkObjectOption("the options of hooks", given);
  checkOptionNames("", given, NAMES);
  const { headers = {}, clientHeaders = [], breaker = {}, connections = DEFAULT_CONNECTIONS, tls } = given;
  checkCountOption("connections", connections);
  checkObjectOption("breaker", breaker);
  const targets = new Map<HookEvent, HookTarget>();
  for (const event of EVENTS) {
    const target = given[event];
    if (target !== undefined) targets.set(event, completeTarget(event, target));
  }
  if (targets.size === 0)
    throw new PolywireError("invalid-argument", `no hook is given: give one of ${EVENTS.join(", ")}`);
  const { logger = silentLogger, clock = systemClock } = given;
  return {
    targets,
    headers: checkHeaders(headers),
    clientHeaders: checkNames(clientHeaders),
    breaker,
    connections,
    tls,
    logger,
    clock,
  };
}

function completeTarget(event: HookEvent, given: HookOptions): HookTarget {
  checkObjectOption(event, given);
  checkOptionNames(event, given, ["url", "timeoutMs", "channels"]);
  const { url, timeoutMs = DEFAULT_TIMEOUT_MS, channels } = given;
  const endpoint = endpointOf(`${event}.url`, url);
  checkTimeout(timeoutMs);
  if (channels !== undefined) {
    if (!CHANNEL_EVENTS.includes(event)) {
      throw wrongOption(`${event}.channels`, channels, `${event} is about no channel: leave it out`);
    }
    if (!Array.isArray(channels) || !channels.every((one) => typeof one === "string" && one !== "")) {
      throw wrongOption(`${event}.channels`, channels, "give an array of names or patterns");
    }
  }
  return { endpoint, url, timeoutMs, channels: channels === undefined ? undefined : [...channels] };
}

function endpointOf(path: string, url: unknown): Endpoint {
  // The URL itself is not repeated: it may hold a secret.
  if (typeof url !== "string") throw new PolywireError("invalid-argument", `${path}: give a URL of http: or https:`);
  let endpoint: Endpoint;
  try {
    endpoint = parseEndpoint(url);
  } catch (cause) {
    throw new PolywireError("invalid-argument", `${path}: give a URL of http: or https:`, { cause });
  }
  if (endpoint.scheme === "http" || endpoint.scheme === "https") return endpoint;
  throw new PolywireError("invalid-argument", `${path}: the scheme is "${endpoint.scheme}": give http: or https:`);
}

function checkHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkObjectOption("headers", headers);
  for (const [name, value] of Object.entries(headers)) {
    const isFit = HEADER_NAME.test(name) && typeof value === "string" && HEADER_VALUE.test(value);
    if (!isFit)
      throw new PolywireError("invalid-argument", `headers: "${name}" is no header: give a name and a text in ASCII`);
  }
  return { ...headers };
}

function checkNames(names: readonly string[]): readonly string[] {
  if (Array.isArray(names) && names.every((name) => typeof name === "string" && HEADER_NAME.test(name))) {
    return names.map((name) => name.toLowerCase());
  }
  throw wrongOption("clientHeaders", names, "give an array of names of headers");
}
