interface Question {
  /** What to do about the answer, once there is one. */
  act: (() => void) | undefined;
}

/** Questions whose answers may come in any order and are acted upon in the order in which they were asked. */
export class InOrder {
  readonly #open: Question[] = [];

  /** @param put asks; it calls back once, at once or later, with what to do about the answer. */
  ask(put: (decided: (act: () => void) => void) => void): void {
    const question: Question = { act: undefined };
    this.#open.push(question);
    put((act) => {
      question.act = act;
      this.#go();
    });
  }

  #go(): void {
    for (let first = this.#open[0]; first?.act !== undefined; first = this.#open[0]) {
      this.#open.shift();
      first.act();
    }
  }
}
