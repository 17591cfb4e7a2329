import { ManualClock } from "@polywire/core/testing";

/** Microtasks that may follow one another before a turn counts as over. */
const QUIET_ROUNDS = 30;

/** Time that stands still until a test moves it, and turns of the event loop that end when a test says so. */
export class FakeClock extends ManualClock {
  /** What lies ready to be read, and is read before a turn ends. */
  onTurnEnd: (() => void) | undefined = undefined;
  #turn: (() => void)[] = [];

  override endOfTurn(callback: () => void): void {
    this.#turn.push(callback);
  }

  /** Lets everything happen that is ready: promises, microtasks and turns of the event loop, until nothing moves. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
      await Promise.resolve();
      if (this.#turn.length === 0) continue;
      quiet = 0;
      this.onTurnEnd?.();
      const turn = this.#turn;
      this.#turn = [];
      for (const callback of turn) callback();
    }
  }

  /** Moves time, calling back what becomes due on the way, in order, and lets it have its effect. */
  async pass(byMs: number): Promise<void> {
    await this.advanceSettled(byMs, () => this.settle());
  }

  /** The event loop does nothing for so long: timers come late, all at once. */
  async standStill(forMs: number): Promise<void> {
    this.stall(forMs);
    await this.pass(0);
  }
}
