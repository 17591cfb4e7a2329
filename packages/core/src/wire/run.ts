import type { FramedBytes } from "../contract/payload.ts";

/** Runs longer than this are handed to the wire in parts: copying them would cost more than it saves. */
const MAX_JOINED_BYTES = 1_048_576;

/**
 * A sequence of framed messages, as a node in a tree of all sequences of one turn. Links that were sent the same
 * messages in the same order hold the same node, so their bytes are joined once for all of them.
 */
export class Run {
  readonly parent: Run | undefined;
  readonly framed: FramedBytes | undefined;
  readonly byteLength: number;
  readonly parts: number;
  #newest: Run | undefined = undefined;
  #others: Map<FramedBytes, Run> | undefined = undefined;
  #joined: Uint8Array | undefined = undefined;

  constructor(parent: Run | undefined, framed: FramedBytes | undefined) {
    this.parent = parent;
    this.framed = framed;
    this.byteLength = (parent?.byteLength ?? 0) + (framed?.byteLength ?? 0);
    this.parts = (parent?.parts ?? 0) + (framed === undefined ? 0 : 1);
  }

  /** This run with one more message: the same node for everyone who appends the same. */
  append(framed: FramedBytes): Run {
    const newest = this.#newest;
    if (newest !== undefined && newest.framed === framed) return newest;
    let next = this.#others?.get(framed);
    if (next === undefined) {
      next = new Run(this, framed);
      if (newest?.framed !== undefined) {
        this.#others ??= new Map();
        this.#others.set(newest.framed, newest);
        this.#others.set(framed, next);
      }
    }
    this.#newest = next;
    return next;
  }

  /** Adds the run's bytes to `into`, joined where that is worth the copy. */
  collect(into: Uint8Array[]): void {
    if (this.parts === 1) into.push((this.framed as FramedBytes).bytes);
    else if (this.byteLength <= MAX_JOINED_BYTES) into.push(this.#join());
    else {
      const first = into.length;
      for (let run: Run = this; run.framed !== undefined; run = run.parent as Run) into.push(run.framed.bytes);
      reverseFrom(into, first);
    }
  }

  #join(): Uint8Array {
    if (this.#joined !== undefined) return this.#joined;
    const joined = new Uint8Array(this.byteLength);
    let end = this.byteLength;
    for (let run: Run = this; run.framed !== undefined; run = run.parent as Run) {
      end -= run.framed.byteLength;
      joined.set(run.framed.bytes, end);
    }
    this.#joined = joined;
    return joined;
  }
}

function reverseFrom(list: Uint8Array[], first: number): void {
  for (let low = first, high = list.length - 1; low < high; low++, high--) {
    const swapped = list[low] as Uint8Array;
    list[low] = list[high] as Uint8Array;
    list[high] = swapped;
  }
}
