import { Histogram, type MetricFamily, PolywireError, type Service } from "@polywire/core";
import {
  type Authenticated,
  type AuthenticateRequest,
  type Authorized,
  type AuthorizeRequest,
  type Denied,
  DISCONNECTS,
  ERRORS,
  type HubOptions,
  NamePattern,
  type ProcedureCall,
  type PublishRequest,
  type PublishVerdict,
} from "@polywire/realtime";
import {
  readAnswer,
  toAuthenticated,
  toAuthorized,
  toCallAnswer,
  toPublishVerdict,
  toRefreshed,
  toSubscriptionRefreshed,
} from "./answers.ts";
import { Backend } from "./backend.ts";
import {
  type CompleteOptions,
  completeOptions,
  type HookEvent,
  type HookTarget,
  type HttpHooksOptions,
} from "./options.ts";
import { connectQuestion, publishQuestion, rpcQuestion, subscribeQuestion } from "./questions.ts";

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** Where one question goes. */
interface Target {
  readonly event: HookEvent;
  readonly place: HookTarget;
  /** Absent: all. */
  readonly channels: readonly NamePattern[] | undefined;
}

/**
 * Has a backend decide over HTTP, in any language: hand `hooks` to a hub, and the whole to a network as a service. Only what the
 * options name is asked; for the rest the hub has its own rules. Construction is free.
 */
export class HttpHooks implements Service {
  readonly name: string = "hooks";
  /** For the options of a hub: those of its hooks that a target was given for. */
  readonly hooks: Pick<HubOptions, "authenticate" | "authorize" | "publishing" | "call">;
  readonly #options: CompleteOptions;
  readonly #backend: Backend;
  readonly #targets: ReadonlyMap<HookEvent, Target>;
  readonly #durations = new Map<string, Histogram>();
  #active = 0;

  /** @throws PolywireError `invalid-argument` naming the option that is wrong. */
  constructor(options: HttpHooksOptions) {
    this.#options = completeOptions(options);
    this.#backend = new Backend(this.#options);
    this.#targets = new Map(
      Array.from(this.#options.targets, ([event, place]) => {
        return [event, { event, place, channels: place.channels?.map((pattern) => new NamePattern(pattern)) }];
      }),
    );
    const has = (...events: readonly HookEvent[]): boolean => events.some((event) => this.#targets.has(event));
    this.hooks = {
      ...(has("connect", "refresh") && { authenticate: (request) => this.#authenticate(request) }),
      ...(has("subscribe", "subRefresh") && { authorize: (request) => this.#authorize(request) }),
      ...(has("publish") && { publishing: (request) => this.#publishing(request) }),
      ...(has("rpc") && { call: (call) => this.#call(call) }),
    };
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  metrics(): readonly MetricFamily[] {
    return [
      {
        name: "polywire.hook.active",
        description: "Questions that wait for the backend's answer.",
        unit: "{question}",
        kind: "gauge",
        points: [{ attributes: {}, value: this.#active }],
      },
      {
        name: "polywire.hook.duration",
        description: "From a question to the backend's answer, or to the error instead of it.",
        unit: "s",
        kind: "histogram",
        points: Array.from(this.#durations, ([key, durations]) => {
          const [hook = "", outcome = ""] = key.split(" ");
          return {
            attributes: { "polywire.hook": hook, "polywire.hook.outcome": outcome },
            histogram: durations.figures(),
          };
        }),
      },
    ];
  }

  async #authenticate(request: AuthenticateRequest): Promise<Authenticated | Denied> {
    const isRefresh = request.action === "refresh";
    const target = this.#targets.get(isRefresh ? "refresh" : "connect");
    if (target === undefined) return isRefresh ? { error: ERRORS.tokenExpired } : { user: "" };
    const answer = await this.#ask(target, { body: connectQuestion(request), headers: this.#clientHeaders(request) });
    if ("denied" in answer) return answer.denied;
    const nowMs = this.#options.clock.wallTime();
    if (answer.result === undefined) return { disconnect: DISCONNECTS.badRequest };
    if (isRefresh) return toRefreshed(answer.result, { before: request.before, nowMs });
    return { ...toAuthenticated(answer.result, nowMs), ...this.#refreshedBy("refresh") };
  }

  async #authorize(request: AuthorizeRequest): Promise<Authorized | Denied> {
    const isRefresh = request.action === "refresh";
    const target = this.#targets.get(isRefresh ? "subRefresh" : "subscribe");
    if (target === undefined || !isAbout(target, request.channel)) return { error: ERRORS.permissionDenied };
    const answer = await this.#ask(target, { body: subscribeQuestion(request), headers: NO_HEADERS });
    if ("denied" in answer) return answer.denied;
    if (answer.result === undefined) return { error: ERRORS.permissionDenied };
    const nowMs = this.#options.clock.wallTime();
    if (isRefresh) return toSubscriptionRefreshed(answer.result, nowMs);
    return { ...toAuthorized(answer.result, nowMs), ...this.#refreshedBy("subRefresh") };
  }

  #publishing(request: PublishRequest): PublishVerdict | Promise<PublishVerdict | Denied> {
    const target = this.#targets.get("publish") as Target;
    return isAbout(target, request.channel) ? this.#publishingThere(target, request) : { allowed: true };
  }

  async #publishingThere(target: Target, request: PublishRequest): Promise<PublishVerdict | Denied> {
    const answer = await this.#ask(target, { body: publishQuestion(request), headers: NO_HEADERS });
    if ("denied" in answer) return answer.denied;
    return answer.result === undefined ? { error: ERRORS.permissionDenied } : toPublishVerdict(answer.result);
  }

  async #call(call: ProcedureCall): Promise<Uint8Array | Denied> {
    const question = { body: rpcQuestion(call), headers: NO_HEADERS, signal: call.signal };
    const answer = await this.#ask(this.#targets.get("rpc") as Target, question);
    if ("denied" in answer) return answer.denied;
    return toCallAnswer(answer.result ?? {});
  }

  async #ask(
    { event, place }: Target,
    {
      body,
      headers,
      signal,
    }: { readonly body: string; readonly headers: ReadonlyMap<string, string>; readonly signal?: AbortSignal },
  ): Promise<{ readonly result: unknown } | { readonly denied: Denied }> {
    const { clock } = this.#options;
    const startMs = clock.now();
    let outcome = "yes";
    this.#active++;
    try {
      const { denied, result } = readAnswer(await this.#backend.ask(event, { body, target: place, headers }, signal));
      if (denied === undefined) return { result };
      outcome = "no";
      return { denied };
    } catch (thrown) {
      const error = PolywireError.from(thrown, "not-available", `ask the backend about ${event}`);
      outcome = error.code;
      throw error;
    } finally {
      this.#active--;
      this.#durationsOf(`${event} ${outcome}`).record((clock.now() - startMs) / 1_000);
    }
  }

  /** Where the backend wants to be asked again, clients are not bothered. */
  #refreshedBy(event: HookEvent): { readonly refreshedBy?: "server" } {
    return this.#targets.has(event) ? { refreshedBy: "server" } : {};
  }

  #clientHeaders({ origin }: AuthenticateRequest): ReadonlyMap<string, string> {
    const passed = new Map<string, string>();
    for (const name of this.#options.clientHeaders) {
      const value = origin.headers?.get(name);
      if (value !== undefined) passed.set(name, value);
    }
    return passed;
  }

  #durationsOf(key: string): Histogram {
    let durations = this.#durations.get(key);
    if (durations === undefined) {
      durations = new Histogram();
      this.#durations.set(key, durations);
    }
    return durations;
  }
}

function isAbout({ channels }: Target, name: string): boolean {
  return channels === undefined || channels.some((pattern) => pattern.matches(name));
}
