import { type Clock, PolywireError } from "@polywire/core";

export interface HookDeadline {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** For the error's message: `authenticate`. */
  readonly purpose: string;
  /** Told when the time has passed without an answer, before `done` is. */
  readonly passed?: (error: PolywireError) => void;
  /** Gets what `done` threw: nonsense that a hook answered may show only where it is used. */
  readonly failed: (thrown: unknown) => void;
}

/**
 * Runs code of the program. A throw, a rejection and a promise that takes too long are the same: `done` gets an error. It
 * is called once; at once, if the hook answered at once.
 */
export function runHook<Result>(
  hook: () => Result | Promise<Result>,
  { clock, timeoutMs, purpose, passed, failed }: HookDeadline,
  done: (error: PolywireError | undefined, result: Result | undefined) => void,
): void {
  const end = (error: PolywireError | undefined, result: Result | undefined): void => {
    try {
      done(error, result);
    } catch (thrown) {
      failed(thrown);
    }
  };
  let answer: Result | Promise<Result>;
  try {
    answer = hook();
  } catch (thrown) {
    return end(PolywireError.from(thrown, "internal", purpose), undefined);
  }
  if (!isThenable(answer)) return end(undefined, answer);
  let isDone = false;
  const finish = (error: PolywireError | undefined, result: Result | undefined): void => {
    if (isDone) return;
    isDone = true;
    timer.cancel();
    end(error, result);
  };
  const timer = clock.setTimer(() => {
    const error = new PolywireError("timed-out", `${purpose}: no answer within ${timeoutMs} ms`);
    passed?.(error);
    finish(error, undefined);
  }, timeoutMs);
  Promise.resolve(answer).then(
    (result) => finish(undefined, result),
    (thrown: unknown) => finish(PolywireError.from(thrown, "internal", purpose), undefined),
  );
}

function isThenable<Result>(value: Result | Promise<Result>): value is Promise<Result> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
