import type { Clock } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { Exchanger } from "../contract/exchange.ts";
import type { MetricAttributes, MetricFamily } from "./family.ts";
import { Histogram } from "./histogram.ts";

/** Hears of each request, and how it ended. */
export interface ExchangeWatcher<Begun> {
  /** Gives what `answered` wants to know of the beginning. */
  begun(): Begun;
  answered(begun: Begun, status: number): void;
  failed(error: PolywireError): void;
}

/** The requests that a network made, by what they ended with. */
export class ExchangeCounts {
  readonly #clock: Clock;
  readonly #ends = new Map<string, Map<string, Histogram>>();
  #active = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts every request of an exchanger that its network has just opened; nobody else has it yet. */
  watch<Begun>(exchanger: Exchanger, protocol: string, watcher: ExchangeWatcher<Begun>): void {
    const direct = exchanger.request.bind(exchanger);
    const request: Exchanger["request"] = async (given, options) => {
      const startMs = this.#clock.now();
      this.#active++;
      const begun = watcher.begun();
      let end = "";
      try {
        const response = await direct(given, options);
        end = endOf(response.status);
        watcher.answered(begun, response.status);
        return response;
      } catch (thrown) {
        const error = PolywireError.from(thrown);
        end = error.code;
        watcher.failed(error);
        throw thrown;
      } finally {
        this.#active--;
        this.#durations(protocol, end).record((this.#clock.now() - startMs) / 1_000);
      }
    };
    // Its own methods that make requests go through it too.
    Object.defineProperty(exchanger, "request", { value: request, configurable: true, writable: true });
  }

  families(): MetricFamily[] {
    return [
      {
        name: "polywire.exchange.client.active",
        description: "Requests that wait for the head of their response.",
        unit: "{request}",
        kind: "gauge",
        points: [{ attributes: {}, value: this.#active }],
      },
      {
        name: "polywire.exchange.client.duration",
        description: "From a request to the head of its response, or to the error instead of it.",
        unit: "s",
        kind: "histogram",
        points: Array.from(this.#ends, ([protocol, ends]) =>
          Array.from(ends, ([end, durations]) => ({
            attributes: { "network.protocol.name": protocol, ...endAttributes(end) },
            histogram: durations.figures(),
          })),
        ).flat(),
      },
    ];
  }

  #durations(protocol: string, end: string): Histogram {
    let ends = this.#ends.get(protocol);
    if (ends === undefined) {
      ends = new Map();
      this.#ends.set(protocol, ends);
    }
    let durations = ends.get(end);
    if (durations === undefined) {
      durations = new Histogram();
      ends.set(end, durations);
    }
    return durations;
  }
}

/** The class of a status alone: a server chooses its statuses, and must not choose how much is kept here. */
function endOf(status: number): string {
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : "other";
}

function endAttributes(end: string): MetricAttributes {
  return /^\dxx$|^other$/.test(end) ? { "polywire.response.status_class": end } : { "error.type": end };
}
