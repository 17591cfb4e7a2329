import type { Writable } from "node:stream";
import { PolywireError, systemClock } from "@polywire/core";

/** What may wait for a reader that is behind, where the source cannot be held back. */
const MAX_WAITING_BYTES = 64 * 1_048_576;

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
  #isGathering = false;

  constructor(stream: Writable, source: Source = { pause() {}, resume() {} }) {
    this.#stream = stream;
    this.#source = source;
  }

  /** @throws PolywireError `overflow` if the reader is behind for too long. */
  write(data: string | Uint8Array): void {
    if (this.#stream.destroyed || this.#stream.errored !== null) return;
    if (this.#stream.writableLength > MAX_WAITING_BYTES)
      throw new PolywireError(
        "overflow",
        "whoever reads the output does not keep up: read faster, or subscribe to less",
      );
    this.#gather();
    if (this.#stream.write(data) || this.#isBehind) return;
    this.#isBehind = true;
    this.#source.pause();
    this.#stream.once("drain", () => {
      this.#isBehind = false;
      this.#source.resume();
    });
  }

  /** What one turn of the event loop prints leaves in one system call. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#stream.cork();
    systemClock.endOfTurn(() => {
      this.#isGathering = false;
      this.#stream.uncork();
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
