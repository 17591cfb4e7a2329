type Handler = (thrown: unknown) => void;
type EventName = "uncaughtException" | "unhandledRejection";

const EVENTS: readonly EventName[] = ["uncaughtException", "unhandledRejection"];

/**
 * Catches what would kill the process. While it watches, nobody else is told: what a law provokes is that law's
 * failure, not the test runner's. One law runs at a time.
 */
export class ProcessWatch {
  readonly caught: unknown[] = [];
  readonly #others = new Map<EventName, Handler[]>();
  readonly #handler: Handler = (thrown) => void this.caught.push(thrown);

  constructor() {
    for (const event of EVENTS) {
      const others = process.listeners(event as "uncaughtException") as Handler[];
      this.#others.set(event, others);
      for (const other of others) process.off(event, other);
      process.on(event, this.#handler);
    }
  }

  release(): void {
    for (const event of EVENTS) {
      process.off(event, this.#handler);
      for (const other of this.#others.get(event) ?? []) process.on(event, other);
    }
  }
}
