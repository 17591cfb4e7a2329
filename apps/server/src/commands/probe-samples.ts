import { Cancellation, PolywireError, systemClock } from "@polywire/core";

/** One question and what became of it. */
export interface Sample {
  /** Counted from 1. */
  readonly number: number;
  /** In milliseconds; absent without an answer. */
  readonly roundTripMs?: number;
  /** Why there is none. */
  readonly error?: string;
}

/** Who can be asked. */
export interface Asked {
  /** Fulfilled with the answer. @throws PolywireError why there is none. */
  ask(signal: AbortSignal): Promise<void>;
}

export interface Measuring {
  readonly count: number;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** An answer that comes later is none. */
const PATIENCE_MS = 5_000;

/** Asks again and again, one question after the other, until there were enough or the signal fires. */
export async function* measure(asked: Asked, { count, intervalMs, signal }: Measuring): AsyncGenerator<Sample> {
  for (let number = 1; number <= count && !signal.aborted; number++) {
    const startMs = systemClock.now();
    const sample = await take(asked, number, signal);
    if (signal.aborted && sample.roundTripMs === undefined) return;
    yield sample;
    if (number < count) await pause(startMs + intervalMs - systemClock.now(), signal);
  }
}

async function take(asked: Asked, number: number, signal: AbortSignal): Promise<Sample> {
  const cancellation = new Cancellation({
    clock: systemClock,
    signal,
    timeoutMs: PATIENCE_MS,
    purpose: "wait for an answer",
  });
  const startMs = systemClock.now();
  try {
    await asked.ask(cancellation.signal);
    return { number, roundTripMs: systemClock.now() - startMs };
  } catch (thrown) {
    return { number, error: PolywireError.from(thrown).message };
  } finally {
    cancellation.release();
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = systemClock.setTimer(() => go(), delayMs, { keepsAlive: true });
    const go = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", go);
      resolve();
    };
    signal.addEventListener("abort", go, { once: true });
  });
}
