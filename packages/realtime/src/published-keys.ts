import type { Clock } from "@polywire/core";
import type { Published } from "./broker.ts";
import type { TimerWheel, WheelEntry, WheelPlace } from "./timer-wheel.ts";

/** How long a key is remembered. */
const KEPT_MS = 300_000;

/** Most keys, and most characters of them with their channels, that are remembered; past it the oldest are forgotten. */
const MAX_KEYS = 100_000;
const MAX_CHARACTERS = 16_777_216;

interface Answered {
  readonly published: Published;
  readonly endsAtMs: number;
}

/** The answers to publishes with an idempotency key, so that a second one gets the first one's. */
export class PublishedKeys implements WheelEntry {
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  /** In the order in which they end. */
  readonly #answers = new Map<string, Answered>();
  #characters = 0;

  constructor(clock: Clock, wheel: TimerWheel) {
    this.#clock = clock;
    this.#wheel = wheel;
  }

  get size(): number {
    return this.#answers.size;
  }

  find(channel: string, key: string): Published | undefined {
    const found = this.#answers.get(nameOf(channel, key));
    return found !== undefined && this.#clock.now() < found.endsAtMs ? found.published : undefined;
  }

  add(channel: string, key: string, published: Published): void {
    const name = nameOf(channel, key);
    const nowMs = this.#clock.now();
    this.#remove(name);
    if (this.#answers.size === 0) this.#wheel.schedule(this, KEPT_MS);
    this.#answers.set(name, { published, endsAtMs: nowMs + KEPT_MS });
    this.#characters += name.length;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_KEYS && this.#characters <= MAX_CHARACTERS) break;
      this.#remove(oldest);
    }
  }

  due(): void {
    const nowMs = this.#clock.now();
    for (const [name, { endsAtMs }] of this.#answers) {
      if (nowMs < endsAtMs) return this.#wheel.schedule(this, endsAtMs - nowMs);
      this.#remove(name);
    }
  }

  #remove(name: string): void {
    if (this.#answers.delete(name)) this.#characters -= name.length;
  }
}

/** No channel and key together look like another channel and key. */
function nameOf(channel: string, key: string): string {
  return `${channel.length}:${channel}${key}`;
}
