/** Bytes of every message that is echoed. */
export const PAYLOAD_BYTES = 64;

/** One side of a comparison: an echo server and its client, on one library. */
export interface EchoProgram {
  /** What is measured, with its version. */
  readonly version: string;
  /** Fulfilled with the port it listens at. */
  serve(): Promise<number>;
  connect(port: number): Promise<EchoClient>;
}

export interface EchoClient {
  /** Fulfilled when that many messages have come back, so many at a time on their way. */
  run(operations: number, inFlight: number): Promise<void>;
}

/** What every client of a wire with messages does: as each comes back, the next one leaves. */
export class Echoes {
  #left = 0;
  #unsent = 0;
  #done: () => void = () => {};

  /** @param send sends one message */
  start(operations: number, inFlight: number, send: () => void): Promise<void> {
    this.#left = operations;
    this.#unsent = operations - Math.min(inFlight, operations);
    const done = new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    for (let sent = 0; sent < Math.min(inFlight, operations); sent++) send();
    return done;
  }

  /** One came back. Says whether another one has to leave. */
  returned(): boolean {
    this.#left--;
    if (this.#left === 0) this.#done();
    if (this.#unsent === 0) return false;
    this.#unsent--;
    return true;
  }
}

/** The same for wires whose operations are promises. */
export async function runConcurrently(operations: number, inFlight: number, once: () => Promise<void>): Promise<void> {
  let left = operations;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left--;
      await once();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}
