import {
  type LogFields,
  type Logger,
  type MetricFamily,
  type PolywireError,
  type Service,
  type ServiceHost,
} from "@polywire/core";
import {
  type Authenticated,
  type AuthenticateRequest,
  type Authorized,
  type AuthorizeRequest,
  type Denied,
  DISCONNECTS,
  ERRORS,
} from "@polywire/realtime";
import type { JWTPayload } from "jose";
import { type ConnectionClaims, connectionClaims, type SubscriptionClaims, subscriptionClaims } from "./claims.ts";
import { checkForm } from "./compact.ts";
import { Keyring } from "./keyring.ts";
import { type CompleteOptions, completeOptions, type TokenOptions } from "./options.ts";
import { Refusal, type TokenProblem } from "./refusal.ts";
import { TrustedTime } from "./trusted-time.ts";

const MS_PER_SECOND = 1_000;

/** How far ahead of ours the clock of an issuer may be: `iat` gives no right, it only shows a clock that is wrong. */
const ISSUER_AHEAD_MS = 60_000;

/** Problems that another token, or another time, may not have. */
const EXPIRED: readonly TokenProblem[] = ["expired", "not-yet-valid"];

/** Whom a subscription token has to be for. */
export interface TokenHolder {
  readonly channel: string;
  readonly user: string;
  readonly client?: string;
}

/** The keys of tokens, and those that they replaced. */
export type TokenKeys = Pick<TokenOptions, "key" | "previousKey" | "subscriptionKey" | "previousSubscriptionKey">;

interface Keyrings {
  readonly connection: Keyring;
  readonly subscription: Keyring;
  /** Some are an issuer's, who may sign for others as well. */
  readonly hasKeySet: boolean;
}

/**
 * Decides by JSON Web Tokens who connects and who subscribes: hand `authenticate` and `authorize` to a hub, and the whole to
 * a network as a service. Construction is free; key sets are fetched when they are first needed.
 */
export class Tokens implements Service {
  readonly name: string = "tokens";
  readonly #options: CompleteOptions;
  readonly #time: TrustedTime;
  readonly #counts = new Map<TokenProblem | "accepted", number>();
  #keyrings: Keyrings;
  /** Those of keys that were replaced. */
  #formerFetches = { done: 0, failed: 0 };
  #hostLogger: Logger | undefined = undefined;

  /** @throws PolywireError `invalid-argument` naming the option that is wrong, or the key that cannot be used. */
  constructor(options: TokenOptions) {
    this.#options = completeOptions(options);
    this.#time = new TrustedTime(this.#options.clock, (byMs) => {
      this.#log("warn", "the clock was set back: for tokens time goes on from where it was", {
        byMs: Math.round(byMs),
      });
    });
    this.#keyrings = this.#open(options);
    if (this.#options.logger !== undefined) this.#warn();
  }

  /** What is less safe than it could be, one sentence each; empty when nothing is. */
  get warnings(): readonly string[] {
    const { requireExpiry, allowWeakKey, audience } = this.#options;
    return [
      ...(requireExpiry ? [] : ["requireExpiry is false: a token that leaks is good for ever"]),
      ...(allowWeakKey ? ["allowWeakKey is true: whoever guesses the secret signs tokens of any user"] : []),
      ...(this.#keyrings.hasKeySet && audience === undefined
        ? ["there is no audience: what the issuer signs for any other program is a token here"]
        : []),
    ];
  }

  /** The hub's hook. */
  readonly authenticate = async (request: AuthenticateRequest): Promise<Authenticated | Denied> => {
    const { token = "", client } = request;
    if (token === "") return this.#options.allowAnonymous ? { user: "" } : { disconnect: DISCONNECTS.badRequest };
    // One moment for all of it: a token that is good now gives time.
    const nowMs = this.#time.now();
    const claims = await this.#connection(token, nowMs);
    if (!(claims instanceof Refusal)) return this.#admitted(claims, nowMs);
    this.#refused(claims, { client });
    if (EXPIRED.includes(claims.problem)) return { error: ERRORS.tokenExpired };
    if (claims.problem === "keys-unavailable") return { error: ERRORS.internal };
    return { disconnect: DISCONNECTS.invalidToken };
  };

  /** The hub's hook. Without a token: no. */
  readonly authorize = async (request: AuthorizeRequest): Promise<Authorized | Denied> => {
    const { token = "", client, channel } = request;
    if (token === "") return { error: ERRORS.permissionDenied };
    const nowMs = this.#time.now();
    const claims = await this.#subscription(token, request, nowMs);
    if (!(claims instanceof Refusal)) return this.#allowed(claims, nowMs);
    this.#refused(claims, { client, channel });
    const { problem } = claims;
    if (EXPIRED.includes(problem)) return { error: ERRORS.tokenExpired };
    if (problem === "keys-unavailable") return { error: ERRORS.internal };
    const isForAnother = problem === "wrong-channel" || problem === "wrong-user";
    if (isForAnother || request.action === "refresh") return { disconnect: DISCONNECTS.invalidToken };
    return { error: ERRORS.permissionDenied };
  };

  /** What a connection token says, or why it is refused. */
  checkConnection(token: string): Promise<ConnectionClaims | Refusal> {
    return this.#connection(token, this.#time.now());
  }

  /** What a subscription token says, or why it is refused to this holder. */
  checkSubscription(token: string, holder: TokenHolder): Promise<SubscriptionClaims | Refusal> {
    return this.#subscription(token, holder, this.#time.now());
  }

  /**
   * Other keys from here on, for tokens under way as well: those being verified finish with the keys they began with.
   *
   * @throws PolywireError `invalid-argument` for a key that cannot be used; the old ones stay then.
   */
  replaceKeys(keys: TokenKeys): void {
    completeOptions(keys);
    const keyrings = this.#open(keys);
    this.#formerFetches = this.#fetches();
    this.#keyrings = keyrings;
  }

  start(host: ServiceHost): void {
    this.#hostLogger = host.logger;
    if (this.#options.logger === undefined) this.#warn();
  }

  close(): Promise<void> {
    this.#keyrings.connection.close();
    this.#keyrings.subscription.close();
    return Promise.resolve();
  }

  inspect(): Readonly<Record<string, unknown>> {
    return { tokens: Object.fromEntries(this.#counts), keySets: this.#fetches(), warnings: this.warnings };
  }

  metrics(): readonly MetricFamily[] {
    const { done, failed } = this.#fetches();
    return [
      {
        name: "polywire.token.count",
        description: "Tokens that clients showed, by what was found.",
        unit: "{token}",
        kind: "counter",
        points: Array.from(this.#counts, ([result, value]) => ({
          attributes: { "polywire.token.result": result },
          value,
        })),
      },
      {
        name: "polywire.token.key_fetches",
        description: "Fetches of key sets, by whether they gave keys.",
        unit: "{fetch}",
        kind: "counter",
        points: [
          { attributes: { "polywire.fetch.result": "fetched" }, value: done - failed },
          { attributes: { "polywire.fetch.result": "failed" }, value: failed },
        ],
      },
      {
        name: "polywire.token.relaxed",
        description: "Safeguards that are off.",
        unit: "{safeguard}",
        kind: "gauge",
        points: [{ attributes: {}, value: this.warnings.length }],
      },
    ];
  }

  #open({ key, previousKey, subscriptionKey, previousSubscriptionKey }: TokenKeys): Keyrings {
    const { allowWeakKey, fetch, clock } = this.#options;
    const failed = (error: PolywireError): void => this.#log("warn", "keys of tokens could not be fetched", { error });
    const options = { allowWeakKey, fetch, clock, failed };
    const connection = new Keyring(
      { path: "key", key },
      previousKey && { path: "previousKey", key: previousKey },
      options,
    );
    const hasKeySet = key.jwksUrl !== undefined || subscriptionKey?.jwksUrl !== undefined;
    if (subscriptionKey === undefined) return { connection, subscription: connection, hasKeySet };
    const subscription = new Keyring(
      { path: "subscriptionKey", key: subscriptionKey },
      previousSubscriptionKey && { path: "previousSubscriptionKey", key: previousSubscriptionKey },
      options,
    );
    return { connection, subscription, hasKeySet };
  }

  async #connection(token: string, nowMs: number): Promise<ConnectionClaims | Refusal> {
    const payload = await this.#verify(token, this.#keyrings.connection, nowMs);
    if (payload instanceof Refusal) return this.#counted(payload);
    const claims = connectionClaims(payload);
    if (!(claims instanceof Refusal) && claims.user === "" && !this.#options.allowAnonymous) {
      return this.#counted(new Refusal("bad-claims", "names no user (sub), and anonymous ones are not let in"));
    }
    return this.#counted(claims);
  }

  async #subscription(token: string, holder: TokenHolder, nowMs: number): Promise<SubscriptionClaims | Refusal> {
    const payload = await this.#verify(token, this.#keyrings.subscription, nowMs);
    if (payload instanceof Refusal) return this.#counted(payload);
    const claims = subscriptionClaims(payload);
    if (claims instanceof Refusal) return this.#counted(claims);
    const { channel, user, client } = holder;
    if (claims.channel !== channel) return this.#counted(new Refusal("wrong-channel", "is for another channel"));
    const isTheirs = claims.user === user && (claims.client === undefined || claims.client === client);
    return this.#counted(isTheirs ? claims : new Refusal("wrong-user", "is for another user, or another connection"));
  }

  async #verify(token: string, keyring: Keyring, nowMs: number): Promise<JWTPayload | Refusal> {
    const { maxTokenBytes, requireExpiry, leewayMs, audience, issuer } = this.#options;
    const unfit = checkForm(token, maxTokenBytes);
    if (unfit !== undefined) return unfit;
    const payload = await keyring.verify(token, { audience, issuer, leewayMs, nowMs });
    if (payload instanceof Refusal) return payload;
    const { exp, iat } = payload;
    if (exp === undefined && requireExpiry) return new Refusal("no-expiry", "never expires (exp)");
    if (iat !== undefined && iat * MS_PER_SECOND > nowMs + leewayMs + ISSUER_AHEAD_MS) {
      return new Refusal("issued-in-future", "is from the future (iat): look at the clocks of both machines");
    }
    return payload;
  }

  #admitted(claims: ConnectionClaims, nowMs: number): Authenticated {
    const { user, expiresAt, info, channels, subscriptions, capabilities, meta } = claims;
    return {
      user,
      ...(info === undefined ? {} : { connectionInfo: info }),
      ...(channels === undefined ? {} : { channels }),
      ...(subscriptions === undefined ? {} : { subscriptions }),
      ...(capabilities === undefined ? {} : { capabilities }),
      ...(meta === undefined ? {} : { meta }),
      ...this.#timeUntil(expiresAt, nowMs),
    };
  }

  #allowed({ expiresAt, info, data, features }: SubscriptionClaims, nowMs: number): Authorized {
    return {
      allowed: true,
      ...(info === undefined ? {} : { channelInfo: info }),
      ...(data === undefined ? {} : { data }),
      ...(features === undefined ? {} : { features }),
      ...this.#timeUntil(expiresAt, nowMs),
    };
  }

  #timeUntil(expiresAt: number | undefined, nowMs: number): { readonly ttlMs?: number } {
    if (expiresAt === undefined) return {};
    const { leewayMs, maxTtlMs } = this.#options;
    return { ttlMs: Math.min(expiresAt * MS_PER_SECOND + leewayMs - nowMs, maxTtlMs) };
  }

  #fetches(): { readonly done: number; readonly failed: number } {
    const { connection, subscription } = this.#keyrings;
    let { done, failed } = this.#formerFetches;
    for (const { fetches } of new Set([connection, subscription])) {
      done += fetches.done;
      failed += fetches.failed;
    }
    return { done, failed };
  }

  #counted<Verdict extends object>(verdict: Verdict | Refusal): Verdict | Refusal {
    const result = verdict instanceof Refusal ? verdict.problem : "accepted";
    this.#counts.set(result, (this.#counts.get(result) ?? 0) + 1);
    return verdict;
  }

  #refused({ problem, message }: Refusal, fields: LogFields): void {
    this.#log("debug", "token refused", { ...fields, problem, because: message });
  }

  #warn(): void {
    for (const warning of this.warnings) this.#log("warn", "tokens are less safe than they could be", { warning });
  }

  #log(level: "debug" | "warn", message: string, fields: LogFields): void {
    (this.#options.logger ?? this.#hostLogger)?.log(level, "tokens", message, fields);
  }
}
