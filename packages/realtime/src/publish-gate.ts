/** What every publish goes through on its way to the broker: it can be closed, and tells when those under way are over. */
export class PublishGate {
  #isOpen = true;
  #underWay = 0;
  #settled: (() => void) | undefined = undefined;

  /** False: no more publications are taken. True: the publish has to `leave` once it is answered. */
  enter(): boolean {
    if (this.#isOpen) this.#underWay++;
    return this.#isOpen;
  }

  leave(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.#settled?.();
  }

  /** Takes no more; `settled` is called when those under way are over, at once if there are none. */
  close(settled: () => void): void {
    this.#isOpen = false;
    if (this.#underWay === 0) settled();
    else this.#settled = settled;
  }
}
