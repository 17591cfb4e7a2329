import { AssertionError } from "node:assert/strict";

/** Polls that are done once a turn before they are done once a millisecond. */
const EAGER_TURNS = 64;

type Words = string | (() => string);

/** Waits, never past the law's deadline: silence is a failure that says what was waited for. */
export class Patience {
  readonly #deadlineAtMs: number;
  readonly #budgetMs: number;

  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
    this.#deadlineAtMs = performance.now() + budgetMs;
  }

  get remainingMs(): number {
    return Math.max(this.#deadlineAtMs - performance.now(), 0);
  }

  /** Waits until the predicate holds. */
  async until(predicate: () => boolean, what: Words): Promise<void> {
    for (let turn = 0; !predicate(); turn++) {
      if (this.remainingMs === 0) throw this.#silence(what);
      await (turn < EAGER_TURNS ? nextTurn() : aMillisecond());
    }
  }

  /** The result of the work, if it comes in time. */
  async within<Result>(work: Promise<Result>, what: Words): Promise<Result> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#silence(what)), this.remainingMs);
    });
    try {
      return await Promise.race([work, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets pass what is on its way: for asserting that nothing comes. */
  async settle(turns: number = 20): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await (turn % 4 === 3 ? aMillisecond() : nextTurn());
  }

  #silence(what: Words): AssertionError {
    const words = typeof what === "string" ? what : what();
    return new AssertionError({ message: `waited ${this.#budgetMs} ms in vain for ${words}` });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function aMillisecond(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}
