const LEAST_CAPACITY = 4_096;
const NOTHING = Buffer.alloc(0);

/** Bytes of the stream that have arrived while their holder takes a rest: one piece of memory, however many packets. */
export class HeldStream {
  #memory: Buffer = NOTHING;
  #from = 0;
  #to = 0;

  get byteLength(): number {
    return this.#to - this.#from;
  }

  /** All of it. Valid until something is added. */
  get bytes(): Buffer {
    return this.#memory.subarray(this.#from, this.#to);
  }

  add(bytes: Buffer): void {
    if (this.#to + bytes.length > this.#memory.length) this.#makeRoom(this.byteLength + bytes.length);
    this.#to += bytes.copy(this.#memory, this.#to);
  }

  /** So many bytes at the beginning are not needed any more. */
  taken(byteLength: number): void {
    this.#from += byteLength;
    if (this.#from < this.#to) return;
    this.#memory = NOTHING;
    this.#from = 0;
    this.#to = 0;
  }

  #makeRoom(byteLength: number): void {
    const memory = Buffer.alloc(Math.max(LEAST_CAPACITY, byteLength * 2));
    this.#memory.copy(memory, 0, this.#from, this.#to);
    this.#memory = memory;
    this.#to = this.byteLength;
    this.#from = 0;
  }
}
