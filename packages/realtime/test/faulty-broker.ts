import { PolywireError, type Publication } from "@polywire/core";
import type { Broker, BrokerEvents, Control, Done, PresenceStore, Streams } from "../src/index.ts";

type CallName = `${"streams" | "presence" | "control"}.${string}`;

/**
 * A broker that loses what a test wants lost: publications on their way to this process, and calls, which then fail or
 * are held until the test lets them go.
 */
export class FaultyBroker implements Broker {
  readonly name: string = "faulty";
  readonly streams: Streams;
  readonly presence: PresenceStore;
  readonly control: Control;
  /** Publications to lose, by what says yes. */
  losing: ((publication: Publication) => boolean) | undefined = undefined;
  /** Calls that fail. */
  readonly failing: Set<CallName> = new Set<CallName>();
  /** Calls whose answers are held. */
  readonly holding: Set<CallName> = new Set<CallName>();
  readonly calls: string[] = [];
  readonly #inner: Broker;
  #held: (() => void)[] = [];
  #events: BrokerEvents | undefined = undefined;

  constructor(inner: Broker) {
    this.#inner = inner;
    this.streams = this.#faulty("streams", inner.streams);
    this.presence = this.#faulty("presence", inner.presence);
    this.control = this.#faulty("control", inner.control);
  }

  start(events: BrokerEvents): void {
    this.#events = events;
    this.#inner.start({
      publication: (channel, publication, epoch) =>
        this.losing?.(publication) === true
          ? { matched: 0, queued: 0, dropped: 0 }
          : events.publication(channel, publication, epoch),
      membership: (channel, kind, info) => events.membership(channel, kind, info),
      control: (command) => events.control(command),
    });
  }

  /** Tells this process of a publication that never was in a stream like that. */
  forge(channel: string, publication: Publication, epoch: string | undefined): void {
    this.#events?.publication(channel, publication, epoch);
  }

  /** Lets the held answers go, the last first. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held.toReversed()) answer();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #faulty<Part extends object>(part: "streams" | "presence" | "control", inner: Part): Part {
    const faulty = new Map<string, (...given: unknown[]) => void>();
    for (const [name, method] of Object.entries(inner) as [string, (...given: unknown[]) => void][]) {
      const call: CallName = `${part}.${name}`;
      faulty.set(name, (...given) => {
        this.calls.push(call);
        const done = given.at(-1) as Done<unknown>;
        method(...given.slice(0, -1), (error: PolywireError | undefined, result: unknown) => {
          const isFailing = this.failing.has(call);
          const answer = (): void =>
            isFailing ? done(new PolywireError("not-available", `${call} failed`), undefined) : done(error, result);
          if (this.holding.has(call)) this.#held.push(answer);
          else answer();
        });
      });
    }
    return Object.fromEntries(faulty) as Part;
  }
}
