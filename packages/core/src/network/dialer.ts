import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import { completeLimits, type LinkLimits } from "../contract/limits.ts";
import type { DialContext, HostContext } from "../contract/protocol.ts";
import { DialCounts } from "../metrics/dial-counts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import { DialGate } from "./dial-gate.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export interface ConnectOptions {
  readonly signal?: AbortSignal;
  /** For everything until the link is established, in milliseconds. 10,000 by default. */
  readonly timeoutMs?: number;
  readonly limits?: Partial<LinkLimits>;
  /** Goes with the handshake where the wire can carry it. */
  readonly metadata?: ReadonlyMap<string, string>;
}

/** One dial: what a protocol does, and what to do with a result that nobody waits for any more. */
export interface Dial<Result> {
  readonly endpoint: Endpoint;
  /** The protocol's name. */
  readonly protocol: string;
  readonly run: (context: DialContext) => Promise<Result>;
  readonly discard: (result: Result) => void;
  /** Hears of the phases that are over. */
  readonly mark?: (phase: string) => void;
  /** Whoever holds what is dialled wants it no more. */
  readonly given?: AbortSignal;
}

function ignore(): void {}

/** Every dial under way, each with its deadline. A protocol that ignores its signal holds nobody up. */
export class Dialer {
  readonly #host: HostContext;
  readonly #underWay = new Set<Cancellation>();
  readonly #gate: DialGate;
  readonly #counts = new DialCounts();

  constructor(host: HostContext, maxDials: number) {
    this.#host = host;
    this.#gate = new DialGate(maxDials);
  }

  /** @throws PolywireError, whatever the protocol threw. */
  async dial<Result>(dial: Dial<Result>, options: ConnectOptions): Promise<Result> {
    const { signal: callerSignal, timeoutMs = DEFAULT_TIMEOUT_MS, metadata = new Map() } = options;
    const limits = completeLimits(options.limits, this.#host.limits);
    const purpose = `connect to "${dial.endpoint}"`;
    const { clock } = this.#host;
    const cancellation = new Cancellation({ clock, signal: callerSignal, timeoutMs, purpose });
    const { signal } = cancellation;
    this.#underWay.add(cancellation);
    const abandon = (): void => cancellation.abort(dial.given?.reason as PolywireError);
    dial.given?.addEventListener("abort", abandon, { once: true });
    let hasEntered = false;
    const startMs = clock.now();
    try {
      signal.throwIfAborted();
      await this.#gate.enter(signal);
      hasEntered = true;
      const context: DialContext = { ...this.#host, limits, signal, mark: dial.mark ?? ignore, metadata };
      const settled = Promise.resolve(dial.run(context)).then((result) => {
        if (signal.aborted) dial.discard(result);
        return result;
      });
      const result = await unlessAborted(settled, signal);
      this.#counts.succeeded(dial.protocol, clock.now() - startMs);
      return result;
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", purpose);
      this.#counts.failed(dial.protocol, error.code);
      throw error;
    } finally {
      if (hasEntered) this.#gate.leave();
      this.#underWay.delete(cancellation);
      dial.given?.removeEventListener("abort", abandon);
      cancellation.release();
    }
  }

  metrics(): readonly MetricFamily[] {
    return this.#counts.families(this.#underWay.size);
  }

  abortAll(reason: PolywireError): void {
    for (const cancellation of this.#underWay) cancellation.abort(reason);
  }
}
