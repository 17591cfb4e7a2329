import { type ExchangeStep, type Intercepting, intercepted } from "../connection/interceptors.ts";
import type { Timeline, TimelineEntry } from "../connection/timeline.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Exchanger } from "../contract/exchange.ts";
import type { ExchangerVitals } from "../health/exchanger-vitals.ts";
import type { Health } from "../health/health-record.ts";
import type { Stopwatch } from "../health/stopwatch.ts";
import type { ExchangeCounts, ExchangeWatcher } from "../metrics/exchange-counts.ts";
import type { Quality } from "../quality/quality-meter.ts";
import type { ConnectionEvent } from "./roster.ts";

/** How an exchanger is, as plain data. */
export interface ExchangerSnapshot {
  readonly id: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly health: Health;
  readonly quality: Quality;
  /** Requests so far, without the checks. */
  readonly requests: number;
  /** Those that wait for the head of their response. */
  readonly active: number;
  /** The phases of its last dials, oldest first. */
  readonly timeline: readonly TimelineEntry[];
}

export interface HeldExchangerParts {
  readonly exchanger: Exchanger;
  readonly event: ConnectionEvent;
  readonly vitals: ExchangerVitals;
  readonly timeline: Timeline;
}

/** What a network knows of one exchanger. */
export class HeldExchanger implements ExchangeWatcher<Stopwatch> {
  readonly exchanger: Exchanger;
  readonly event: ConnectionEvent;
  readonly vitals: ExchangerVitals;
  readonly #timeline: Timeline;
  #requests = 0;
  #active = 0;

  constructor({ exchanger, event, vitals, timeline }: HeldExchangerParts) {
    this.exchanger = exchanger;
    this.event = event;
    this.vitals = vitals;
    this.#timeline = timeline;
  }

  /** From here on every request is counted and passes the interceptors; nobody else has the exchanger yet. */
  watch(counts: ExchangeCounts, intercepting: Intercepting): void {
    const { protocol, endpoint } = this.event;
    this.#watchClose();
    counts.watch(this.exchanger, protocol, this);
    if (!intercepting.interceptors.some((interceptor) => interceptor.exchange !== undefined)) return;
    const direct = this.exchanger.request.bind(this.exchanger);
    const step = intercepted<ExchangeStep>("exchange", intercepting, ({ request, options }) =>
      direct(request, options),
    );
    const request: Exchanger["request"] = async (given, options = {}) =>
      step({ endpoint, protocol, request: given, options });
    // Its own methods that make requests go through it too.
    Object.defineProperty(this.exchanger, "request", { value: request, configurable: true, writable: true });
  }

  #watchClose(): void {
    const close = this.exchanger.close.bind(this.exchanger);
    const closeAndTell: Exchanger["close"] = () => {
      this.vitals.drain();
      return close();
    };
    Object.defineProperty(this.exchanger, "close", { value: closeAndTell, configurable: true, writable: true });
  }

  begun(): Stopwatch {
    this.#requests++;
    this.#active++;
    return this.vitals.stopwatch();
  }

  answered(stopwatch: Stopwatch, status: number): void {
    this.#active--;
    this.vitals.answered(stopwatch, status);
  }

  failed(error: PolywireError): void {
    this.#active--;
    this.vitals.failed(error);
  }

  inspect(): ExchangerSnapshot {
    const { id, protocol, endpoint } = this.event;
    const { health, quality } = this.vitals;
    const timeline = this.#timeline.entries;
    return { id, protocol, endpoint, health, quality, requests: this.#requests, active: this.#active, timeline };
  }
}
