import { MAX_DELAY_MS } from "../contract/clock.ts";
import type { Payload } from "../contract/payload.ts";
import type { QualityProfile } from "../quality/levels.ts";
import {
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  wrongOption,
} from "../wire/option-checks.ts";

/** What is sent to the peer, and what it answers if it is well. The answer is not delivered. */
export interface PayloadCheck {
  readonly send: Payload;
  /** The answer, or what tells it from other messages. On a stream it is asked about each chunk as it comes. */
  readonly expect: Payload | ((payload: Payload) => boolean);
}

/** A request that is answered with one of the statuses if the peer is well. */
export interface RequestCheck {
  /** `GET`. */
  readonly method?: string;
  readonly path: string;
  /** 200. */
  readonly status?: number | readonly number[];
}

/** A check of the program's own: what it throws, or rejects with, is what is wrong. It should end when the signal fires. */
export type OwnCheck = (signal: AbortSignal) => void | Promise<void>;

export interface HealthOptions<Check = PayloadCheck | "dial" | OwnCheck> {
  /**
   * How the peer is asked. By default as the wire can: by its ping, by its own health service; not at all where it has
   * neither. `dial`: by one more dial of the endpoint.
   */
  readonly check?: Check;
  /** From one check to the next, give or take a seventh. 60,000. */
  readonly intervalMs?: number;
  /** The same, from a check that failed until it is known what to make of it. 5,000. */
  readonly failingIntervalMs?: number;
  /** Longest wait for an answer; shorter where answers are known to come sooner (RFC 6298's timeout). 5,000. */
  readonly timeoutMs?: number;
  /** Failures in a row that make a peer unhealthy. 3. */
  readonly unhealthyAfter?: number;
  /** Successes in a row that make it healthy again; the very first makes it so at once. 2. */
  readonly healthyAfter?: number;
  /** Whether the link of a peer that became unhealthy without another word is given up, so that another is dialled. True. */
  readonly replace?: boolean;
}

export interface QualityOptions {
  /** What counts: `realtime` (links, by default) or `rpc` (exchangers). */
  readonly profile?: QualityProfile;
  /**
   * The peer is pinged so often to measure it, in milliseconds. By default every 1,000 while somebody listens for
   * `quality`; otherwise the health checks are all there is to measure.
   */
  readonly sampleIntervalMs?: number;
  /** A peer that says nothing for so long is critical. Never by default: a wire with a ping notices by its pings. */
  readonly staleMs?: number;
}

/** What may be said of how the peer of a connection is watched. */
export interface VitalsOptions {
  /** False: the peer is not checked. */
  readonly health?: boolean | HealthOptions;
  readonly quality?: QualityOptions;
}

/** The same of an exchanger: its requests are the samples, and it has no link to replace. */
export interface ExchangerVitalsOptions {
  /** Without a `check` only wires with a health service of their own (gRPC) are asked. False: none is. */
  readonly health?: boolean | Omit<HealthOptions<RequestCheck | OwnCheck>, "replace">;
  readonly quality?: Pick<QualityOptions, "profile">;
}

export type CompleteHealth<Check> = Required<Omit<HealthOptions<Check>, "check">> & {
  readonly check: Check | undefined;
};

export interface CompleteVitals<Check = PayloadCheck | "dial" | OwnCheck> {
  readonly health: CompleteHealth<Check> | undefined;
  readonly profile: QualityProfile;
  /** Undefined: while somebody listens. */
  readonly sampleIntervalMs: number | undefined;
  readonly staleMs: number;
}

const DEFAULT_HEALTH = {
  check: undefined,
  intervalMs: 60_000,
  failingIntervalMs: 5_000,
  timeoutMs: 5_000,
  unhealthyAfter: 3,
  healthyAfter: 2,
  replace: true,
} as const;
const PROFILES = ["realtime", "rpc"];

/** Whose vitals options are for, and what they may say. */
interface Subject<Check> {
  readonly profile: QualityProfile;
  readonly healthNames: readonly string[];
  readonly qualityNames: readonly string[];
  readonly checkCheck: (path: string, check: Check) => void;
}

const LINK: Subject<PayloadCheck | "dial" | OwnCheck> = {
  profile: "realtime",
  healthNames: Object.keys(DEFAULT_HEALTH),
  qualityNames: ["profile", "sampleIntervalMs", "staleMs"],
  checkCheck: checkLinkCheck,
};
const EXCHANGER: Subject<RequestCheck | OwnCheck> = {
  profile: "rpc",
  healthNames: Object.keys(DEFAULT_HEALTH).filter((name) => name !== "replace"),
  qualityNames: ["profile"],
  checkCheck: checkExchangerCheck,
};

/** Nothing was given: shared by all to whom that happened. */
const DEFAULTS: Readonly<Record<QualityProfile, CompleteVitals<never>>> = {
  realtime: { health: DEFAULT_HEALTH, profile: "realtime", sampleIntervalMs: undefined, staleMs: Infinity },
  rpc: { health: DEFAULT_HEALTH, profile: "rpc", sampleIntervalMs: undefined, staleMs: Infinity },
};

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeLinkVitals(given: VitalsOptions): CompleteVitals {
  return completeVitals(given, LINK);
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeExchangerVitals(given: ExchangerVitalsOptions): CompleteVitals<RequestCheck | OwnCheck> {
  return completeVitals(given, EXCHANGER);
}

function completeVitals<Check>(
  { health, quality }: { readonly health?: boolean | HealthOptions<Check>; readonly quality?: QualityOptions },
  subject: Subject<Check>,
): CompleteVitals<Check> {
  if (health === undefined && quality === undefined) return DEFAULTS[subject.profile];
  checkObjectOption("quality", quality ?? {});
  checkOptionNames("quality", quality ?? {}, subject.qualityNames);
  const { profile = subject.profile, sampleIntervalMs, staleMs = Infinity } = quality ?? {};
  checkOneOfOption("quality.profile", profile, PROFILES);
  if (sampleIntervalMs !== undefined) checkCountOption("quality.sampleIntervalMs", sampleIntervalMs, MAX_DELAY_MS);
  if (staleMs !== Infinity) checkCountOption("quality.staleMs", staleMs, MAX_DELAY_MS);
  return { health: completeHealth(health, subject), profile, sampleIntervalMs, staleMs };
}

function completeHealth<Check>(
  given: boolean | HealthOptions<Check> = true,
  { healthNames, checkCheck }: Subject<Check>,
): CompleteHealth<Check> | undefined {
  if (given === false) return undefined;
  if (given === true) return DEFAULT_HEALTH;
  checkObjectOption("health", given);
  checkOptionNames("health", given, healthNames);
  const complete = { ...DEFAULT_HEALTH, ...given };
  for (const name of ["intervalMs", "failingIntervalMs", "timeoutMs"] as const) {
    checkCountOption(`health.${name}`, complete[name], MAX_DELAY_MS);
  }
  checkCountOption("health.unhealthyAfter", complete.unhealthyAfter);
  checkCountOption("health.healthyAfter", complete.healthyAfter);
  checkBooleanOption("health.replace", complete.replace);
  if (given.check !== undefined) checkCheck("health.check", given.check);
  return complete as CompleteHealth<Check>;
}

function checkLinkCheck(path: string, check: PayloadCheck | "dial" | OwnCheck): void {
  if (typeof check === "string") return checkOneOfOption(path, check, ["dial"]);
  if (typeof check === "function") return;
  checkObjectOption(path, check);
  checkOptionNames(path, check, ["send", "expect"]);
  checkPayloadOption(`${path}.send`, check.send);
  if (typeof check.expect !== "function") checkPayloadOption(`${path}.expect`, check.expect);
}

function checkExchangerCheck(path: string, check: RequestCheck | OwnCheck): void {
  if (typeof check === "function") return;
  checkObjectOption(path, check);
  checkOptionNames(path, check, ["method", "path", "status"]);
  const { method = "GET", path: target, status = 200 } = check;
  if (typeof method !== "string") throw wrongOption(`${path}.method`, method, 'give a method, such as "GET"');
  if (typeof target !== "string") throw wrongOption(`${path}.path`, target, 'give a path, such as "/health"');
  for (const one of [status].flat()) checkCountOption(`${path}.status`, one, 999);
}

function checkPayloadOption(path: string, value: unknown): void {
  if (typeof value === "string" || value instanceof Uint8Array) return;
  throw wrongOption(path, value, "give text or bytes");
}
