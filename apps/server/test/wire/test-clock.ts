import { ManualClock } from "@polywire/core/testing";

/** Turns of the event loop after each alarm, so that what it set off is done before the next. */
const TURNS_PER_STEP = 4;

/** A clock that stands still until a test moves it. Turns of the event loop are real: there are real sockets in them. */
export class TestClock extends ManualClock {
  /** Moves time on, calling back whatever is due, in order. */
  async pass(byMs: number): Promise<void> {
    await this.advanceSettled(byMs, turns);
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < TURNS_PER_STEP; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
