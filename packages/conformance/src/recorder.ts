import type { CloseInfo, Link, Payload, Sink } from "@polywire/core";

/** The first message of a dialler whose wire tells nobody that it has dialled. */
export const INTRODUCTION: Uint8Array = new TextEncoder().encode("conformance: here I am");

function isIntroduction(payload: Payload): boolean {
  if (typeof payload === "string" || payload.byteLength !== INTRODUCTION.byteLength) return false;
  return INTRODUCTION.every((byte, index) => byte === payload[index]);
}

/** What a recorder does besides recording, inside the calls it gets. */
export interface Reactions {
  /** `index` counts messages from 0. The payload is the lent one. */
  message?(payload: Payload, index: number): unknown;
  drain?(): void;
  /** Goes on alone when the other side has ended. Without it the link closes then. */
  ended?(): void;
  closed?(info: CloseInfo): void;
}

/**
 * A sink that keeps copies of what it gets and notes every broken promise of the {@link Sink} contract. What a law
 * compares is what was recorded.
 */
export class Recorder implements Sink {
  readonly name: string;
  readonly messages: Payload[] = [];
  readonly closeInfos: CloseInfo[] = [];
  /** Promises broken, in words. */
  readonly violations: string[] = [];
  readonly reactions: Reactions;
  drains = 0;
  ends = 0;
  /** Messages that only told who was there; they are not recorded. */
  introductions = 0;
  isPaused = false;
  isOpened = false;
  #isOpening = false;
  #busyWith: string | undefined = undefined;

  readonly ended?: () => void;

  constructor(name: string, reactions: Reactions = {}) {
    this.name = name;
    this.reactions = reactions;
    if (reactions.ended !== undefined) this.ended = () => this.#heardEnd();
  }

  /** Opens the link with this sink. */
  openOn(link: Link): void {
    this.#isOpening = true;
    try {
      link.open(this);
      this.isOpened = true;
    } finally {
      this.#isOpening = false;
    }
  }

  message(payload: Payload): unknown {
    if (isIntroduction(payload)) {
      this.introductions++;
      return undefined;
    }
    if (this.isPaused) this.violations.push(`${this.name}: a message came after pause() had returned`);
    const index = this.messages.length;
    this.messages.push(typeof payload === "string" ? payload : new Uint8Array(payload));
    // What an async reaction returns is the wire's to see.
    return this.#during("message", () => this.reactions.message?.(payload, index));
  }

  drain(): void {
    this.drains++;
    this.#during("drain", () => this.reactions.drain?.());
  }

  #heardEnd(): void {
    this.ends++;
    if (this.ends > 1) this.violations.push(`${this.name}: ended came twice`);
    this.#during("ended", () => this.reactions.ended?.());
  }

  closed(info: CloseInfo): void {
    if (this.closeInfos.length > 0) this.violations.push(`${this.name}: closed came twice`);
    this.#during("closed", () => {
      this.closeInfos.push(info);
      this.reactions.closed?.(info);
    });
  }

  /** One call of the sink: never inside another, never before `open` has returned, never after `closed`. */
  #during(call: string, react: () => unknown): unknown {
    if (this.#isOpening) this.violations.push(`${this.name}: ${call} came before open() had returned`);
    if (this.#busyWith !== undefined) this.violations.push(`${this.name}: ${call} came inside ${this.#busyWith}`);
    if (this.closeInfos.length > 0) this.violations.push(`${this.name}: ${call} came after closed`);
    const before = this.#busyWith;
    this.#busyWith = call;
    try {
      return react();
    } finally {
      this.#busyWith = before;
    }
  }
}
