import { copyPayload, type Delivery, type Payload } from "@polywire/core";

const MAX_HELD = 1_024;

/** Datagrams that arrive while their holder takes a rest wait here, up to a limit; past it they get lost. */
export class Inbox {
  readonly #delivery: Delivery;
  readonly #maxBytes: number;
  readonly #dropped: () => void;
  #held: Payload[] = [];
  #heldBytes = 0;

  constructor(delivery: Delivery, maxBytes: number, dropped: () => void) {
    this.#delivery = delivery;
    this.#maxBytes = maxBytes;
    this.#dropped = dropped;
  }

  message(payload: Payload): void {
    if (this.#held.length === 0 && !this.#delivery.isPaused) return this.#delivery.message(payload);
    if (this.#held.length >= MAX_HELD || this.#heldBytes + payload.length > this.#maxBytes) return this.#dropped();
    this.#held.push(copyPayload(payload));
    this.#heldBytes += payload.length;
  }

  /** The holder may want messages again. */
  deliver(): void {
    while (this.#held.length > 0 && !this.#delivery.isPaused) {
      const payload = this.#held.shift() as Payload;
      this.#heldBytes -= payload.length;
      this.#delivery.message(payload);
    }
  }

  /** Nothing more will come: what is left follows the holder's pace in the delivery. */
  end(): void {
    for (const payload of this.#held.splice(0)) this.#delivery.message(payload);
    this.#heldBytes = 0;
  }
}
