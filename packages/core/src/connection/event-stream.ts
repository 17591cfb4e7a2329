import { PolywireError } from "../contract/error.ts";
import { checkCountOption, checkObjectOption, checkOneOfOption, checkOptionNames } from "../wire/option-checks.ts";
import type { Events } from "./events.ts";

export interface EventStreamOptions {
  /** Ends the iteration: it throws `aborted` then, and what waited is forgotten. */
  readonly signal?: AbortSignal;
  /** Most events that wait for a consumer that is behind. 1,000. */
  readonly maxWaiting?: number;
  /**
   * What happens past that: the events that wait the longest give way, and are counted in `dropped` (`drop-oldest`, the default), or
   * the iteration ends with `overflow`, after those that wait (`fail`).
   */
  readonly policy?: "drop-oldest" | "fail";
}

const DEFAULT_MAX_WAITING = 1_000;
const NAMES = ["signal", "maxWaiting", "policy"];
const POLICIES = ["drop-oldest", "fail"];

/** Where a stream's events come from. */
export interface EventSource<Map extends object> {
  readonly events: Events<Map>;
  /** Calls back when no event can come any more, at once if none can; returns what makes it forget that. */
  readonly whenOver: (over: () => void) => () => void;
}

type Taker<Event> = PromiseWithResolvers<IteratorResult<Event, undefined>>;

/**
 * Events for `for await`. They are collected from the call on that made it, not from the first `next`. It ends after the last event
 * that there can be; leaving the loop unsubscribes.
 */
export class EventStream<Event> implements AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  readonly #maxWaiting: number;
  readonly #policy: "drop-oldest" | "fail";
  readonly #stops: (() => void)[] = [];
  /** Those before `#first` were taken. */
  #waiting: Event[] = [];
  #first = 0;
  #takers: Taker<Event>[] = [];
  #dropped = 0;
  #isOver = false;
  /** Thrown once, when nothing waits any more. */
  #error: PolywireError | undefined = undefined;

  /** @throws PolywireError `invalid-argument` naming the option that is wrong. */
  static of<Map extends object, Name extends keyof Map>(
    source: EventSource<Map>,
    name: Name,
    options: EventStreamOptions = {},
  ): EventStream<Map[Name]> {
    const stream = new EventStream<Map[Name]>(String(name), options);
    stream.#stops.push(source.events.on(name, (event) => stream.#add(event)));
    stream.#stops.push(source.whenOver(() => stream.#end(undefined)));
    if (stream.#isOver) stream.#unsubscribe();
    return stream;
  }

  private constructor(name: string, options: EventStreamOptions) {
    checkObjectOption("options", options);
    checkOptionNames("", options, NAMES);
    const { signal, maxWaiting = DEFAULT_MAX_WAITING, policy = "drop-oldest" } = options;
    checkCountOption("maxWaiting", maxWaiting);
    checkOneOfOption("policy", policy, POLICIES);
    this.#maxWaiting = maxWaiting;
    this.#policy = policy;
    if (signal === undefined) return;
    const abort = (): void => {
      this.#forget();
      const { reason: cause } = signal;
      const error = new PolywireError("aborted", `events "${name}": aborted by the caller`, { cause });
      this.#end(PolywireError.is(cause) ? cause : error);
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#stops.push(() => signal.removeEventListener("abort", abort));
  }

  /** Events that gave way to newer ones. */
  get dropped(): number {
    return this.#dropped;
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    if (this.#first < this.#waiting.length) return Promise.resolve({ done: false, value: this.#takeFirst() });
    const error = this.#error;
    if (error !== undefined) {
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    const taker: Taker<Event> = Promise.withResolvers();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** Unsubscribes. */
  return(): Promise<IteratorResult<Event, undefined>> {
    this.#forget();
    this.#end(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #add(event: Event): void {
    if (this.#isOver) return;
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker.resolve({ done: false, value: event });
    if (this.#waiting.length - this.#first >= this.#maxWaiting) {
      if (this.#policy === "fail") {
        const problem = `${this.#maxWaiting} events wait already: read faster, or raise maxWaiting`;
        return this.#end(new PolywireError("overflow", problem));
      }
      this.#takeFirst();
      this.#dropped++;
    }
    this.#waiting.push(event);
  }

  #takeFirst(): Event {
    const event = this.#waiting[this.#first] as Event;
    this.#first++;
    // Now and then, so that taking one costs the same however many wait.
    if (this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return event;
  }

  #forget(): void {
    this.#waiting = [];
    this.#first = 0;
  }

  #end(error: PolywireError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unsubscribe();
    const takers = this.#takers;
    this.#takers = [];
    for (const [index, taker] of takers.entries()) {
      // The error is told once.
      if (index === 0 && error !== undefined) taker.reject(error);
      else taker.resolve({ done: true, value: undefined });
    }
    if (takers.length === 0) this.#error = error;
  }

  #unsubscribe(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
