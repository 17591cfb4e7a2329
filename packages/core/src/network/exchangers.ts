import type { Events } from "../connection/events.ts";
import type { Intercepting } from "../connection/interceptors.ts";
import { Timeline } from "../connection/timeline.ts";
import type { Clock } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import type { Exchanger } from "../contract/exchange.ts";
import type { Logger, LogLevel } from "../contract/log.ts";
import type { DialContext, HostContext } from "../contract/protocol.ts";
import type { CheckupHost } from "../health/checkup.ts";
import { ExchangerVitals } from "../health/exchanger-vitals.ts";
import type { Health } from "../health/health-record.ts";
import {
  type CompleteVitals,
  completeExchangerVitals,
  type ExchangerVitalsOptions,
  type OwnCheck,
  type RequestCheck,
} from "../health/options.ts";
import type { Rounds } from "../health/rounds.ts";
import { ExchangeCounts } from "../metrics/exchange-counts.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { vitalsFamilies } from "../metrics/vitals-families.ts";
import type { Quality } from "../quality/quality-meter.ts";
import type { Target } from "./connector.ts";
import type { ConnectOptions, Dialer } from "./dialer.ts";
import { healthFields, healthLevel } from "./health-log.ts";
import { type ExchangerSnapshot, HeldExchanger } from "./held-exchanger.ts";
import { checkExchanger } from "./protocol-results.ts";
import type { NetworkEvents } from "./roster.ts";

/** How the peer of an exchanger is, as far as it is known. */
export interface ExchangerVitalsNow {
  readonly health: Health;
  readonly quality: Quality;
}

export interface ExchangersOptions {
  readonly dialer: Dialer;
  readonly intercepting: Intercepting;
  readonly rounds: Rounds;
  readonly events: Events<NetworkEvents>;
  readonly failed: (error: PolywireError) => void;
}

/** Every exchanger of a network. */
export class Exchangers {
  readonly #host: CheckupHost;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dialer: Dialer;
  readonly #intercepting: Intercepting;
  readonly #events: Events<NetworkEvents>;
  readonly #failed: (error: PolywireError) => void;
  readonly #held = new Map<Exchanger, HeldExchanger>();
  readonly #counts: ExchangeCounts;
  #nextSerial = 1;

  constructor({ clock, random, logger }: HostContext, options: ExchangersOptions) {
    const { dialer, intercepting, rounds, events, failed } = options;
    this.#host = { rounds, random };
    this.#clock = clock;
    this.#logger = logger;
    this.#dialer = dialer;
    this.#intercepting = intercepting;
    this.#events = events;
    this.#failed = failed;
    this.#counts = new ExchangeCounts(clock);
  }

  /** @throws PolywireError `unsupported` where there are no requests; what was wrong with the dial. */
  async open(target: Target, options: ConnectOptions & ExchangerVitalsOptions): Promise<Exchanger> {
    const { protocol, endpoint } = target;
    const { exchanges } = protocol;
    if (exchanges === undefined) {
      throw new PolywireError(
        "unsupported",
        `${protocol.name} carries no requests: use network.connect("${endpoint}")`,
      );
    }
    const vitals = completeExchangerVitals(options);
    const run = async (context: DialContext): Promise<Exchanger> =>
      checkExchanger(await exchanges.open(endpoint, context), protocol);
    const discard = (late: Exchanger): void =>
      void late.close().catch((thrown) => this.#failed(PolywireError.from(thrown)));
    const timeline = new Timeline();
    const mark = (phase: string): void => timeline.add(this.#clock.now(), phase);
    mark("connecting");
    const exchanger = await this.#dialer.dial({ endpoint, protocol: protocol.name, run, discard, mark }, options);
    mark("open");
    this.#hold(exchanger, target, { vitals, timeline });
    return exchanger;
  }

  /** Those there are. */
  get all(): Iterable<Exchanger> {
    return this.#held.keys();
  }

  /** @throws PolywireError `invalid-argument` for one that this network did not open. */
  vitalsOf(exchanger: Exchanger): ExchangerVitalsNow {
    const held = this.#held.get(exchanger);
    if (held !== undefined) return { health: held.vitals.health, quality: held.vitals.quality };
    throw new PolywireError("invalid-argument", "this network has no such exchanger: it was closed, or is another's");
  }

  inspect(): readonly ExchangerSnapshot[] {
    return Array.from(this.#held.values(), (held) => held.inspect());
  }

  metrics(): readonly MetricFamily[] {
    return [...this.#counts.families(), ...vitalsFamilies("exchanger", this.inspect())];
  }

  #hold(
    exchanger: Exchanger,
    { protocol, endpoint }: Target,
    {
      vitals: options,
      timeline,
    }: { readonly vitals: CompleteVitals<RequestCheck | OwnCheck>; readonly timeline: Timeline },
  ): void {
    const id = `exch_${(this.#nextSerial++).toString(16).padStart(8, "0")}`;
    const event = { id, protocol: protocol.name, endpoint: endpoint.display, direction: "dialled" } as const;
    const vitals = new ExchangerVitals(
      this.#host,
      { exchanger, options },
      {
        healthChanged: (change) => {
          this.#log(healthLevel(change), "exchanger health", { ...event, ...healthFields(change) });
          if (this.#events.has("health")) this.#events.emit("health", { ...event, ...change });
        },
        qualityChanged: (change) => {
          this.#log("debug", "exchanger quality", { ...event, ...change });
          if (this.#events.has("quality")) this.#events.emit("quality", { ...event, ...change });
        },
      },
    );
    const held = new HeldExchanger({ exchanger, event, vitals, timeline });
    held.watch(this.#counts, this.#intercepting);
    this.#held.set(exchanger, held);
    vitals.start();
    void exchanger.closed.then(() => {
      vitals.stop();
      this.#held.delete(exchanger);
    });
  }

  #log(level: LogLevel, message: string, fields: object): void {
    if (this.#logger.isEnabled?.(level, "network") === false) return;
    this.#logger.log(level, "network", message, { ...fields });
  }
}
