import { Buffer } from "node:buffer";
import type { Clock, LogLevel, Timer } from "@polywire/core";

/** How often one message of one component is written. */
export interface RepeatLimits {
  /** Events of one level, component and message that are written in one window. Default 100. */
  readonly maxPerWindow?: number;
  /** Default 1,000. A window begins with the first event after the last one ended. */
  readonly windowMs?: number;
  /** Messages that are counted at once; past it the window that began first ends early. Default 1,000. */
  readonly maxMessages?: number;
}

export const DEFAULT_REPEATS: Required<RepeatLimits> = { maxPerWindow: 100, windowMs: 1_000, maxMessages: 1_000 };

/** The window of one message. */
export interface Repeated {
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  /** Events that were not written. */
  readonly left: number;
}

interface Window extends Repeated {
  readonly startMs: number;
  written: number;
  left: number;
}

export interface RepeatsOptions {
  readonly limits: Required<RepeatLimits>;
  readonly clock: Clock;
  /** A window is over in which something was left out. */
  readonly tell: (repeated: Repeated) => void;
}

/** Longer messages are told apart by their beginning. */
const KEY_CHARACTERS = 256;

/** A part of a text keeps all of the text in memory, unless it is written anew. */
function shortCopy(message: string): string {
  return message.length <= KEY_CHARACTERS ? message : `${Buffer.from(message.slice(0, KEY_CHARACTERS)).toString()}…`;
}

/**
 * Lets so many events of one message through in each window, counts the others, and tells their number once when the
 * window ends, also when nothing more is logged.
 */
export class Repeats {
  readonly #limits: Required<RepeatLimits>;
  readonly #clock: Clock;
  readonly #tell: (repeated: Repeated) => void;
  /** In the order in which they began, which is that in which they end. */
  readonly #windows = new Map<string, Window>();
  #timer: Timer | undefined = undefined;
  #left = 0;

  constructor({ limits, clock, tell }: RepeatsOptions) {
    this.#limits = limits;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Events left out that nobody was told of yet. */
  get left(): number {
    return this.#left;
  }

  /** Whether the event is to be written; if not, it is counted. */
  admits(level: LogLevel, component: string, message: string): boolean {
    const now = this.#clock.now();
    this.#endOver(now);
    const key = `${level}\n${component}\n${message.slice(0, KEY_CHARACTERS)}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      if (this.#windows.size >= this.#limits.maxMessages) this.#endFirst();
      window = { level, component, message: shortCopy(message), startMs: now, written: 0, left: 0 };
      this.#windows.set(key, window);
    }
    if (window.written < this.#limits.maxPerWindow) {
      window.written++;
      return true;
    }
    window.left++;
    this.#left++;
    this.#timer ??= this.#wakeAt(window, now);
    return false;
  }

  /** Ends every window now and tells what was left out in them. */
  endAll(): void {
    while (this.#windows.size > 0) this.#endFirst();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #endOver(now: number): void {
    for (const { startMs } of this.#windows.values()) {
      if (now - startMs < this.#limits.windowMs) return;
      this.#endFirst();
    }
  }

  #endFirst(): void {
    const first = this.#windows.entries().next().value;
    if (first === undefined) return;
    const [key, window] = first;
    this.#windows.delete(key);
    if (window.left === 0) return;
    this.#left -= window.left;
    this.#tell(window);
  }

  #wakeAt({ startMs }: Window, now: number): Timer {
    return this.#clock.setTimer(() => this.#woke(), startMs + this.#limits.windowMs - now);
  }

  #woke(): void {
    const now = this.#clock.now();
    this.#timer = undefined;
    this.#endOver(now);
    for (const window of this.#windows.values()) {
      if (window.left === 0) continue;
      this.#timer = this.#wakeAt(window, now);
      return;
    }
  }
}
