import { type AnyProtocol, type Exchanger, Network, PolywireError } from "@polywire/core";
import { breaker, retry } from "@polywire/core/interceptors";
import { http } from "@polywire/http";
import type { CompleteOptions, HookEvent, HookTarget } from "./options.ts";

/** Questions that change nothing at the backend: to ask twice is safe. Publications and calls may do something there. */
const REPEATABLE: ReadonlySet<string> = new Set<HookEvent>(["connect", "refresh", "subscribe", "subRefresh"]);
/** Tells a backend that has one URL for all of them which one it is. */
const EVENT_HEADER = "x-polywire-event";
const MAX_ANSWER_BYTES = 1_048_576;
const OK = 200;
const CLOSE_TIMEOUT_MS = 1_000;

/** The servers that are asked: over connections that are kept, again where that is safe, and not at all while one is down. */
export class Backend {
  readonly #options: CompleteOptions;
  readonly #network: Network<readonly AnyProtocol[]>;
  readonly #exchangers = new Map<string, Promise<Exchanger>>();

  constructor(options: CompleteOptions) {
    const { logger, clock } = options;
    this.#options = options;
    this.#network = new Network({
      protocols: [http()],
      interceptors: [
        retry({
          baseMs: 50,
          capMs: 500,
          isIdempotent: ({ request }) => REPEATABLE.has(request.headers?.get(EVENT_HEADER) ?? ""),
        }),
        breaker(options.breaker),
      ],
      logger,
      clock,
    });
  }

  /**
   * The text of the answer.
   *
   * @throws PolywireError when there is none in time, or none with status 200.
   */
  async ask(
    event: HookEvent,
    {
      body,
      target,
      headers,
    }: { readonly body: string; readonly target: HookTarget; readonly headers: ReadonlyMap<string, string> },
    signal?: AbortSignal,
  ): Promise<string> {
    const { path, query } = target.endpoint;
    const exchanger = await this.#exchanger(target);
    const all = new Map([...Object.entries(this.#options.headers), ...headers]);
    all.set("content-type", "application/json").set(EVENT_HEADER, event);
    const response = await exchanger.request(
      { method: "POST", path: query === "" ? path : `${path}?${query}`, headers: all, body },
      { timeoutMs: target.timeoutMs, ...(signal !== undefined && { signal }) },
    );
    const answer = await response.body.bytes(MAX_ANSWER_BYTES);
    if (response.status === OK) return new TextDecoder().decode(answer);
    throw new PolywireError("not-available", `the backend answered ${event} with status ${response.status}`);
  }

  close(): Promise<void> {
    return this.#network.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  }

  /** One for each server, shared by the hooks there. */
  #exchanger({ endpoint, url }: HookTarget): Promise<Exchanger> {
    const key = `${endpoint.scheme}://${endpoint.host}:${endpoint.port ?? ""}`;
    let exchanger = this.#exchangers.get(key);
    if (exchanger === undefined) {
      const { connections, tls } = this.#options;
      exchanger = this.#network.open(url, { connections, ...(tls !== undefined && { tls }) } as object);
      this.#exchangers.set(key, exchanger);
    }
    return exchanger;
  }
}
