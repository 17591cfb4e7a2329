import { PolywireError } from "../contract/error.ts";
import type { Link, SendResult } from "../contract/link.ts";
import { copyPayload, type Payload, type Prepared } from "../contract/payload.ts";
import type { Connection, ConnectionRefusal } from "./connection.ts";
import type { MessageSteps } from "./interceptors.ts";
import { PendingSends } from "./pending-sends.ts";

export interface SteppedOwner {
  readonly connection: Connection;
  readonly keeper: { readonly link: Link | undefined };
  refuse(refusal: ConnectionRefusal): "refused";
  /** A step of `receive` is over: the link may be read again, if the program wants to. */
  received(): void;
  failed(error: PolywireError): void;
}

/** What waits behind an asynchronous step of `send`. */
const WAITING = { maxBytes: 1_048_576, maxMessages: 1_000, policy: "refuse" } as const;

/**
 * Takes messages through the interceptors. Where these are synchronous nothing is kept. Behind asynchronous ones messages
 * are copied and wait in order: those to send up to 1 MiB or 1,000, those received in the link, which is paused.
 */
export class SteppedMessages {
  readonly #owner: SteppedOwner;
  readonly #steps: MessageSteps;
  #isSending = false;
  #isReceiving = false;
  #waiting: PendingSends | undefined = undefined;

  constructor(owner: SteppedOwner, steps: MessageSteps) {
    this.#owner = owner;
    this.#steps = steps;
  }

  /** Bytes that wait for a step of `send`. */
  get bytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** A step of `receive` is not done: the link must not be read. */
  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  /** Messages that waited for a step when the connection ended. */
  drop(): void {
    this.#waiting?.drop();
  }

  send(payload: Payload | Prepared): SendResult {
    const { send, isSendAsync } = this.#steps;
    if (!isSendAsync)
      return this.#inTime("send", send(payload, this.#owner.connection)) ?? this.#owner.refuse("closed");
    this.#waiting ??= new PendingSends(WAITING);
    if (!this.#waiting.add(payload)) return this.#owner.refuse("overflow");
    if (!this.#isSending) void this.#sendWaiting(this.#waiting);
    return "sent";
  }

  receive(payload: Payload): void {
    const { receive, isReceiveAsync } = this.#steps;
    if (isReceiveAsync) return void this.#receiveSlowly(copyPayload(payload));
    try {
      this.#inTime("receive", receive(payload, this.#owner.connection));
    } catch (thrown) {
      this.#owner.failed(PolywireError.from(thrown, "internal", "an interceptor of receive threw"));
    }
  }

  async #sendWaiting(waiting: PendingSends): Promise<void> {
    this.#isSending = true;
    for (let payload = waiting.next(); payload !== undefined; payload = waiting.next()) {
      try {
        await this.#steps.send(payload, this.#owner.connection);
      } catch (thrown) {
        this.#owner.failed(PolywireError.from(thrown, "internal", "an interceptor of send threw"));
      }
    }
    this.#isSending = false;
  }

  async #receiveSlowly(payload: Payload): Promise<void> {
    this.#isReceiving = true;
    this.#owner.keeper.link?.pause();
    try {
      await this.#steps.receive(payload, this.#owner.connection);
    } catch (thrown) {
      this.#owner.failed(PolywireError.from(thrown, "internal", "an interceptor of receive threw"));
    }
    this.#isReceiving = false;
    this.#owner.received();
  }

  /** A promise where none was announced: its message would overtake others, and its bytes are not its own. */
  #inTime<Result>(kind: "send" | "receive", result: Result | Promise<Result>): Result | undefined {
    if (!(result instanceof Promise)) return result;
    result.catch(() => {});
    throw new PolywireError(
      "invalid-argument",
      `an interceptor of ${kind} returned a promise: name "${kind}" in its "asynchronous" list`,
    );
  }
}
