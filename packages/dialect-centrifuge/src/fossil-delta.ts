/*
 * Patches in the delta format of the Fossil version control system
 * (https://fossil-scm.org/home/doc/trunk/www/delta_format.wiki). Written for this package, for two things that the
 * encoders on npm do not do: no character is ever cut in two, so that a patch of texts is a text and travels in JSON, and
 * the work is bounded, whatever the two texts are.
 */

const BLOCK_BYTES = 16;

/** A copy shorter than this takes as many bytes as what it stands for. */
const SHORTEST_COPY = 12;

/** Most places of the source that are tried for one place of the target. */
const MAX_CANDIDATES = 32;

/** Most bytes compared, for each byte of the target; after that the rest goes as it is. */
const COMPARISONS_PER_BYTE = 8;

const DIGITS = new TextEncoder().encode("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");
const [NEWLINE, AT, COMMA, COLON, SEMICOLON] = [10, 64, 44, 58, 59];

/**
 * What turns the source into the target, both UTF-8; `undefined` when that would not be shorter than the target itself.
 */
export function fossilDelta(source: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  if (source.length < BLOCK_BYTES || target.length <= BLOCK_BYTES) return undefined;
  const patch = new PatchWriter(target);
  const blocks = new SourceBlocks(source);
  let comparisons = target.length * COMPARISONS_PER_BYTE;
  patch.integer(target.length, NEWLINE);
  /** Everything before this is in the patch. */
  let done = 0;
  const window = new RollingHash();
  window.start(target, 0);
  let at = 0;
  while (at + BLOCK_BYTES <= target.length && comparisons > 0) {
    let bestStart = 0;
    let bestEnd = 0;
    let bestSource = 0;
    let candidate = blocks.first(window.value);
    for (let tries = MAX_CANDIDATES; candidate !== -1 && tries > 0 && comparisons > 0; tries--) {
      const from = candidate * BLOCK_BYTES;
      let end = 0;
      while (at + end < target.length && target[at + end] === source[from + end]) end++;
      let back = 0;
      if (end >= BLOCK_BYTES) {
        while (at - back > done && from - back > 0 && target[at - back - 1] === source[from - back - 1]) back++;
      }
      comparisons -= end + back + 1;
      if (end >= BLOCK_BYTES && end + back > bestEnd - bestStart) {
        bestStart = at - back;
        bestEnd = at + end;
        bestSource = from - back;
      }
      candidate = blocks.next(candidate);
    }
    const start = characterFrom(target, bestStart, bestEnd);
    const end = characterBefore(target, start, bestEnd);
    if (end - start >= SHORTEST_COPY) {
      patch.insert(done, start);
      patch.copy(bestSource + start - bestStart, end - start);
      done = end;
      at = end;
      if (at + BLOCK_BYTES <= target.length) window.start(target, at);
    } else {
      window.roll(target, at);
      at++;
    }
  }
  patch.insert(done, target.length);
  patch.integer(checksum(target), SEMICOLON);
  return patch.finish();
}

/** The first place from `start` on where a character begins, or `end`. */
function characterFrom(text: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isContinuation(text[at])) at++;
  return at;
}

/** The last place up to `end` where a character ends, or `start`. */
function characterBefore(text: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isContinuation(text[at])) at--;
  return at;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** The sum of all words of four bytes, the last filled up with zeros. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index++)
    sum = (sum + ((bytes[index] as number) << (8 * (3 - (index & 3))))) | 0;
  return sum >>> 0;
}

/** The hash of a block of bytes, moved on byte by byte. */
class RollingHash {
  #sum = 0;
  #weighted = 0;

  get value(): number {
    return (this.#sum & 0xffff) | ((this.#weighted & 0xffff) << 16);
  }

  start(bytes: Uint8Array, at: number): void {
    this.#sum = 0;
    this.#weighted = 0;
    for (let index = 0; index < BLOCK_BYTES; index++) {
      const byte = bytes[at + index] as number;
      this.#sum += byte;
      this.#weighted += (BLOCK_BYTES - index) * byte;
    }
  }

  /** From the block at `at` to the next one. */
  roll(bytes: Uint8Array, at: number): void {
    const leaving = bytes[at] as number;
    this.#sum = (this.#sum - leaving + (bytes[at + BLOCK_BYTES] ?? 0)) & 0xffff;
    this.#weighted = (this.#weighted - BLOCK_BYTES * leaving + this.#sum) & 0xffff;
  }
}

/** The blocks of the source, by their hashes. */
class SourceBlocks {
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  readonly #mask: number;

  constructor(source: Uint8Array) {
    const count = Math.floor(source.length / BLOCK_BYTES);
    let size = 16;
    while (size < count) size *= 2;
    this.#mask = size - 1;
    this.#first = new Int32Array(size).fill(-1);
    this.#next = new Int32Array(count);
    const hash = new RollingHash();
    // From the end, so that the earlier of two equal blocks is tried first.
    for (let block = count - 1; block >= 0; block--) {
      hash.start(source, block * BLOCK_BYTES);
      const place = this.#place(hash.value);
      this.#next[block] = this.#first[place] as number;
      this.#first[place] = block;
    }
  }

  first(hash: number): number {
    return this.#first[this.#place(hash)] as number;
  }

  next(block: number): number {
    return this.#next[block] as number;
  }

  #place(hash: number): number {
    return (Math.imul(hash, 0x9e3779b1) >>> 8) & this.#mask;
  }
}

/** Writes the commands of a patch. Once they take more than the target they are no use. */
class PatchWriter {
  readonly #target: Uint8Array;
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(target: Uint8Array) {
    this.#target = target;
    this.#bytes = new Uint8Array(target.length);
  }

  copy(from: number, length: number): void {
    this.integer(length, AT);
    this.integer(from, COMMA);
  }

  insert(start: number, end: number): void {
    if (start === end) return;
    this.integer(end - start, COLON);
    if (this.#length + end - start <= this.#bytes.length)
      this.#bytes.set(this.#target.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  /** An integer of base 64, and what ends it. */
  integer(value: number, sign: number): void {
    let digits = 1;
    for (let rest = Math.floor(value / 64); rest > 0; rest = Math.floor(rest / 64)) digits++;
    let rest = value;
    // What lies past the end of an array is not written.
    for (let index = this.#length + digits - 1; index >= this.#length; index--) {
      this.#bytes[index] = DIGITS[rest % 64] as number;
      rest = Math.floor(rest / 64);
    }
    this.#length += digits;
    this.#bytes[this.#length++] = sign;
  }

  finish(): Uint8Array | undefined {
    return this.#length < this.#bytes.length ? this.#bytes.subarray(0, this.#length) : undefined;
  }
}
