import type { Writable } from "node:stream";

/** Who can be asked to deliver nothing for a while. */
interface Source {
  pause(): void;
  resume(): void;
}

/** Writes data to the standard output, and holds its source back while the reader is behind. */
export class Output {
  readonly #stream: Writable;
  readonly #source: Source;
  #isBehind = false;

  constructor(stream: Writable, source: Source = { pause() {}, resume() {} }) {
    this.#stream = stream;
    this.#source = source;
  }

  write(data: string | Uint8Array): void {
    if (this.#stream.destroyed || this.#stream.errored !== null) return;
    if (this.#stream.write(data) || this.#isBehind) return;
    this.#isBehind = true;
    this.#source.pause();
    this.#stream.once("drain", () => {
      this.#isBehind = false;
      this.#source.resume();
    });
  }

  writeEvent(event: object): void {
    this.write(`${JSON.stringify(event)}\n`);
  }

  /** Fulfilled when the reader has everything, or the signal fires. */
  async flushed(signal: AbortSignal): Promise<void> {
    if (this.#stream.writableLength === 0 || this.#stream.destroyed || signal.aborted) return;
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      this.#stream.write("", () => resolve());
    });
  }
}
