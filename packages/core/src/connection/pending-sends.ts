import { checkPayload, copyPayload, type Payload, type Prepared } from "../contract/payload.ts";
import type { PendingOptions } from "./options.ts";

interface Waiting {
  readonly payload: Payload | Prepared;
  readonly bytes: number;
}

/** What was sent while there was no link, in order, up to a limit. */
export class PendingSends {
  readonly #options: Required<PendingOptions>;
  #waiting: Waiting[] = [];
  #bytes = 0;
  /** Messages that gave way to newer ones, or that nothing came of. */
  dropped = 0;

  constructor(options: Required<PendingOptions>) {
    this.#options = options;
  }

  get count(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the message waits now. What it holds is copied. */
  add(payload: Payload | Prepared): boolean {
    const { maxBytes, maxMessages, policy } = this.#options;
    const own = isPrepared(payload) ? payload : this.#copied(payload);
    const bytes = byteLength(own);
    if (bytes > maxBytes) return false;
    while (this.#bytes + bytes > maxBytes || this.#waiting.length >= maxMessages) {
      if (policy === "refuse") return false;
      this.next();
      this.dropped++;
    }
    this.#waiting.push({ payload: own, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** Takes the oldest out. */
  next(): Payload | Prepared | undefined {
    const oldest = this.#waiting.shift();
    if (oldest === undefined) return undefined;
    this.#bytes -= oldest.bytes;
    return oldest.payload;
  }

  /** Nothing will come of what waits. */
  drop(): void {
    this.dropped += this.#waiting.length;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #copied(payload: Payload): Payload {
    checkPayload(payload);
    return copyPayload(payload);
  }
}

function isPrepared(payload: Payload | Prepared): payload is Prepared {
  return typeof payload === "object" && payload !== null && !(payload instanceof Uint8Array) && "framing" in payload;
}

function byteLength(payload: Payload | Prepared): number {
  if (typeof payload === "string") return new TextEncoder().encode(payload).byteLength;
  return payload.byteLength;
}
