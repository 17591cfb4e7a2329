import type { Clock, Logger, MetricFamily, Timer } from "@polywire/core";

/** How often it looks. */
const INTERVAL_MS = 500;

/** A turn of the event loop that is later than this is told. */
const TOLD_ABOVE_MS = 1_000;

/** Watches whether the process stands still: one long piece of work, or a machine that does something else. */
export class Standstill {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined;
  #count = 0;
  #totalMs = 0;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  start(): void {
    const dueMs = this.#clock.now() + INTERVAL_MS;
    this.#timer = this.#clock.setTimer(() => {
      this.#look(this.#clock.now() - dueMs);
      this.start();
    }, INTERVAL_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  metrics(): readonly MetricFamily[] {
    return [
      {
        name: "polywire.server.standstills",
        description: "Times that the process stood still for over a second.",
        unit: "{standstill}",
        kind: "counter",
        points: [{ attributes: {}, value: this.#count }],
      },
      {
        name: "polywire.server.standstill.time",
        description: "How long it stood still, all of them together.",
        unit: "s",
        kind: "counter",
        points: [{ attributes: {}, value: this.#totalMs / 1_000 }],
      },
    ];
  }

  #look(lateMs: number): void {
    if (lateMs <= TOLD_ABOVE_MS) return;
    this.#count++;
    this.#totalMs += lateMs;
    this.#logger.log("warn", "server", "stood still: too much to do, or too little processor", {
      durationMs: Math.round(lateMs),
    });
  }
}
