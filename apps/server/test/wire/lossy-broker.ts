import type { PolywireError, Publication } from "@polywire/core";
import type { Broker, BrokerEvents, Control, Done, PresenceStore, Streams } from "@polywire/realtime";

type Call = (...given: unknown[]) => void;

/** Calls are named like `streams.history`. */
export type CallName = `${"streams" | "presence" | "control"}.${string}`;

/** A broker that loses publications on their way to the hub, and whose calls fail or take their time, as a law wants it. */
export class LossyBroker implements Broker {
  readonly name: string = "lossy";
  readonly streams: Streams;
  readonly presence: PresenceStore;
  readonly control: Control;
  /** Publications to lose. */
  losing: ((publication: Publication) => boolean) | undefined = undefined;
  /** Publications to tell twice. */
  repeating: ((publication: Publication) => boolean) | undefined = undefined;
  /** Calls that fail, and with what. */
  readonly failing: Map<CallName, PolywireError> = new Map<CallName, PolywireError>();
  /** Calls that are made only when they are released. */
  readonly holding: Set<CallName> = new Set<CallName>();
  /** Calls that are made, and answered only when they are released. */
  readonly holdingAnswers: Set<CallName> = new Set<CallName>();
  readonly #inner: Broker;
  #held: (() => void)[] = [];

  constructor(inner: Broker) {
    this.#inner = inner;
    this.streams = this.#over("streams", inner.streams);
    this.presence = this.#over("presence", inner.presence);
    this.control = this.#over("control", inner.control);
  }

  start(events: BrokerEvents): void {
    this.#inner.start({
      publication: (channel, publication, epoch) => {
        if (this.losing?.(publication) === true) return { matched: 0, queued: 0, dropped: 0 };
        const delivery = events.publication(channel, publication, epoch);
        return this.repeating?.(publication) === true ? events.publication(channel, publication, epoch) : delivery;
      },
      membership: (channel, kind, info) => events.membership(channel, kind, info),
      control: (command) => events.control(command),
    });
  }

  /** Makes and answers the calls that were held, in order, and holds no more. */
  release(): void {
    this.holding.clear();
    this.holdingAnswers.clear();
    const held = this.#held;
    this.#held = [];
    for (const call of held) call();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #over<Part extends object>(part: "streams" | "presence" | "control", inner: Part): Part {
    const calls = (Object.entries(inner) as [string, Call][]).map(([method, call]): [string, Call] => {
      const name: CallName = `${part}.${method}`;
      return [method, (...given) => this.#make(name, call, given)];
    });
    return Object.fromEntries(calls) as Part;
  }

  #make(name: CallName, call: Call, given: unknown[]): void {
    if (this.holding.has(name)) return void this.#held.push(() => this.#make(name, call, given));
    const failure = this.failing.get(name);
    const done = given.at(-1) as Done<unknown>;
    if (failure !== undefined) return queueMicrotask(() => done(failure, undefined));
    if (!this.holdingAnswers.has(name)) return call(...given);
    const answerLater: Done<unknown> = (error, result) => void this.#held.push(() => done(error, result));
    call(...given.slice(0, -1), answerLater);
  }
}
