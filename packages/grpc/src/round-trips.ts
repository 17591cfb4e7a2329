/** Puts one question to the peer and calls back once it is answered, or will never be. Never before it returns. */
export type AskPeer = (answered: (isAnswered: boolean) => void) => void;

/** Questions of many that one answer serves: who comes while one is under way shares the next. */
export class RoundTrips {
  readonly #askPeer: AskPeer;
  #asking: ((isAnswered: boolean) => void)[] = [];
  #toAsk: ((isAnswered: boolean) => void)[] = [];
  #isOver = false;

  constructor(askPeer: AskPeer) {
    this.#askPeer = askPeer;
  }

  get isWaiting(): boolean {
    return this.#asking.length + this.#toAsk.length > 0;
  }

  /** Everything that was sent so far arrives before the question does. */
  ask(done: (isAnswered: boolean) => void): void {
    if (this.#isOver) return;
    this.#toAsk.push(done);
    if (this.#asking.length === 0) this.#ask();
  }

  /** There is nobody to ask any more. */
  end(isAnswered: boolean): void {
    this.#isOver = true;
    const waiting = [...this.#asking, ...this.#toAsk];
    this.#asking = [];
    this.#toAsk = [];
    for (const done of waiting) done(isAnswered);
  }

  #ask(): void {
    const asking = this.#toAsk;
    this.#asking = asking;
    this.#toAsk = [];
    this.#askPeer((isAnswered) => {
      if (asking !== this.#asking) return;
      this.#asking = [];
      for (const done of asking) done(isAnswered);
      if (this.#toAsk.length > 0 && this.#asking.length === 0) this.#ask();
    });
  }
}
