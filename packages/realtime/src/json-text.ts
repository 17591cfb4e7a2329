/** What a byte may be inside a string. */
const PLAIN = 0;
const QUOTE = 1;
const ESCAPE = 2;
const CONTROL = 3;
const MULTIBYTE = 4;

const STRING_BYTES: Uint8Array = new Uint8Array(256).map((_, byte) => {
  if (byte === 0x22) return QUOTE;
  if (byte === 0x5c) return ESCAPE;
  if (byte < 0x20) return CONTROL;
  return byte >= 0x80 ? MULTIBYTE : PLAIN;
});

/** Nesting levels whose kinds fit one number. */
const LEVELS_PER_WORD = 31;

/**
 * Whether the bytes are one JSON text (RFC 8259) in UTF-8 without a byte order mark, nested at most `maxDepth` deep: `[]` is
 * one deep, `1` not at all. Strict, in one pass, without recursion and without building anything. Names may repeat, and
 * `\ud800` may be written as an escape, as the grammar has it.
 */
export function isJsonText(bytes: Uint8Array, maxDepth: number): boolean {
  const { length } = bytes;
  let depth = 0;
  // One bit for each level, 1 for an object: the newest levels in `word`, the others in `words`.
  let word = 0;
  let words: number[] | undefined;
  let isObject = false;
  let at = skipSpace(bytes, 0);
  for (;;) {
    // Here a value begins.
    const byte = at < length ? (bytes[at] as number) : 0;
    if (byte === 0x22) {
      at = skipString(bytes, at + 1);
    } else if (byte === 0x7b || byte === 0x5b) {
      if (depth === maxDepth) return false;
      if (depth > 0 && depth % LEVELS_PER_WORD === 0) {
        words ??= [];
        words.push(word);
        word = 0;
      }
      depth++;
      isObject = byte === 0x7b;
      word = (word << 1) | (isObject ? 1 : 0);
      at = skipSpace(bytes, at + 1);
      // The closing brackets are two after the opening ones.
      if (bytes[at] !== byte + 2) {
        if (!isObject) continue;
        at = skipName(bytes, at);
        if (at === -1) return false;
        continue;
      }
      // An empty one: it is closed below.
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      at = skipNumber(bytes, at);
    } else {
      at = skipWord(bytes, at);
    }
    if (at === -1) return false;
    // Here a value has ended, or an empty object or array is about to.
    for (;;) {
      at = skipSpace(bytes, at);
      if (at === length) return depth === 0;
      if (depth === 0) return false;
      const next = bytes[at] as number;
      if (next === 0x2c) break;
      if (next !== (isObject ? 0x7d : 0x5d)) return false;
      at++;
      depth--;
      if (depth > 0 && depth % LEVELS_PER_WORD === 0) word = words?.pop() ?? 0;
      else word >>>= 1;
      isObject = (word & 1) === 1;
    }
    at = skipSpace(bytes, at + 1);
    if (!isObject) continue;
    at = skipName(bytes, at);
    if (at === -1) return false;
  }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** A member's name, its colon, and the space up to its value. -1 if it is none. */
function skipName(bytes: Uint8Array, from: number): number {
  if (bytes[from] !== 0x22) return -1;
  let at = skipString(bytes, from + 1);
  if (at === -1) return -1;
  at = skipSpace(bytes, at);
  return bytes[at] === 0x3a ? skipSpace(bytes, at + 1) : -1;
}

/** @returns where the string has ended, or -1. */
function skipString(bytes: Uint8Array, from: number): number {
  const { length } = bytes;
  let at = from;
  while (at < length) {
    const kind = STRING_BYTES[bytes[at] as number];
    if (kind === PLAIN) at++;
    else if (kind === QUOTE) return at + 1;
    else if (kind === CONTROL) return -1;
    else {
      at = kind === ESCAPE ? skipEscape(bytes, at + 1) : skipMultibyte(bytes, at);
      if (at === -1) return -1;
    }
  }
  return -1;
}

function skipEscape(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 1;
    case 0x75: // u
      for (let digit = at + 1; digit <= at + 4; digit++) if (!isHexDigit(bytes[digit])) return -1;
      return at + 5;
    default:
      return -1;
  }
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** One character of two to four bytes: RFC 3629, no overlong form, no surrogate, nothing above U+10FFFF. */
function skipMultibyte(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  const second = bytes[at + 1] ?? 0;
  if (first < 0xe0) return first >= 0xc2 && isContinuation(second) ? at + 2 : -1;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (first > 0xf4 || second < low || second > high || !isContinuation(bytes[at + 2])) return -1;
  if (first < 0xf0) return at + 3;
  return isContinuation(bytes[at + 3]) ? at + 4 : -1;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** @returns where the number has ended, or -1. */
function skipNumber(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  if (bytes[at] === 0x30) at++;
  else {
    const end = skipDigits(bytes, at);
    if (end === at) return -1;
    at = end;
  }
  if (bytes[at] === 0x2e) {
    const end = skipDigits(bytes, at + 1);
    if (end === at + 1) return -1;
    at = end;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const sign = bytes[at + 1];
    const digits = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    at = skipDigits(bytes, digits);
    if (at === digits) return -1;
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined || byte < 0x30 || byte > 0x39) return at;
    at++;
  }
}

/** `true`, `false` or `null`; -1 for anything else. */
function skipWord(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x74:
      return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? at + 4 : -1;
    case 0x66: {
      const isFalse = bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73;
      return isFalse && bytes[at + 4] === 0x65 ? at + 5 : -1;
    }
    case 0x6e:
      return bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c ? at + 4 : -1;
    default:
      return -1;
  }
}
