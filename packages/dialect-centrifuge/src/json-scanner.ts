import { PolywireError } from "@polywire/core";

/** Nesting that a payload may have. Deeper ones are refused: the clients' own parsers recurse. */
export const MAX_JSON_DEPTH = 2_048;

const ARRAY = 0;
const OBJECT = 1;

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const MAX_LISTED = 1_024;

const FOUR_HEX_DIGITS = /^[0-9a-fA-F]{4}$/;
const ESCAPED = 'bfnrt"\\/';

/** Memory that scanners use while they work and leave to the next one. */
export class JsonScratch {
  /** What each open level is: one byte a level. */
  readonly containers: Uint8Array = new Uint8Array(MAX_JSON_DEPTH);
  /** What a string's plain characters end at. An expression runs over them twice as fast as a loop. */
  readonly special: RegExp = /["\\\u0000-\u001f]/g;
}

export interface JsonScannerOptions {
  /** The text is one value, in which newlines are white space. Else a newline ends a message. */
  readonly isWhole?: boolean;
}

/**
 * Walks JSON text (RFC 8259) without building anything: fields come out one at a time, and a value can be taken as the
 * text it is. It does not recurse, so depth costs one byte a level.
 */
export class JsonScanner {
  readonly #text: string;
  readonly #scratch: JsonScratch;
  readonly #isWhole: boolean;
  #position = 0;
  #first = false;
  #started = false;

  constructor(text: string, scratch: JsonScratch, { isWhole = false }: JsonScannerOptions = {}) {
    this.#text = text;
    this.#scratch = scratch;
    this.#isWhole = isWhole;
  }

  /** Reads the one value that the text has to be. */
  whole<Value>(read: (scanner: JsonScanner) => Value): Value {
    this.#skipBlanks();
    const value = read(this);
    this.#skipBlanks();
    if (this.#position < this.#text.length) throw this.#malformed("the end");
    return value;
  }

  /** Moves to the first message, or past the newline to the next one. False if only blanks are left. */
  nextLine(): boolean {
    this.#skipBlanks();
    if (this.#started && this.#position < this.#text.length) {
      this.#expect(NEWLINE, "a newline between commands");
      this.#skipBlanks();
    }
    this.#started = true;
    return this.#position < this.#text.length;
  }

  /** Whether the text is one JSON value and nothing else. */
  isOneValue(): boolean {
    try {
      this.#skipBlanks();
      this.skip();
      this.#skipBlanks();
      return this.#position === this.#text.length;
    } catch {
      return false;
    }
  }

  isNull(): boolean {
    if (!this.#text.startsWith("null", this.#position)) return false;
    this.#position += 4;
    return true;
  }

  enterObject(): void {
    this.#expect(OPEN_BRACE, "an object");
    this.#first = true;
  }

  /** The name of the object's next field, positioned at its value; `undefined` once the object is closed. */
  nextField(): string | undefined {
    this.#skipBlanks();
    if (this.#code() === CLOSE_BRACE) {
      this.#position++;
      this.#first = false;
      return undefined;
    }
    if (!this.#first) {
      this.#expect(COMMA, "a comma or the end of the object");
      this.#skipBlanks();
    }
    this.#first = false;
    const name = this.string();
    this.#colon();
    return name;
  }

  /** The values of an array of at most 1,024, each read by `read`. */
  list<Value>(read: (scanner: JsonScanner) => Value): Value[] {
    this.#expect(OPEN_BRACKET, "an array");
    this.#skipBlanks();
    const values: Value[] = [];
    if (this.#code() === CLOSE_BRACKET) {
      this.#position++;
      return values;
    }
    for (;;) {
      if (values.length === MAX_LISTED) throw this.#malformed(`at most ${MAX_LISTED} values`);
      values.push(read(this));
      this.#skipBlanks();
      if (this.#code() !== COMMA) break;
      this.#position++;
      this.#skipBlanks();
    }
    this.#expect(CLOSE_BRACKET, "a comma or the end of the array");
    return values;
  }

  string(): string {
    const start = this.#position;
    const escaped = this.#skipString();
    if (!escaped) return this.#text.slice(start + 1, this.#position - 1);
    // Our own scan has proved it one JSON string. A lone surrogate has no UTF-8 form, so it is replaced here, once.
    return (JSON.parse(this.#text.slice(start, this.#position)) as string).toWellFormed();
  }

  boolean(): boolean {
    if (this.#text.startsWith("true", this.#position)) {
      this.#position += 4;
      return true;
    }
    if (!this.#text.startsWith("false", this.#position)) throw this.#malformed("true or false");
    this.#position += 5;
    return false;
  }

  /** A whole number. Beyond ±(2⁵³−1) it is clamped to that. */
  integer(): number {
    const start = this.#position;
    this.#skipNumber();
    const text = this.#text.slice(start, this.#position);
    if (/[.eE]/.test(text)) throw this.#malformed("a whole number", start);
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(text)));
  }

  /** Any value, as the text it is. */
  raw(): string {
    const start = this.#position;
    this.skip();
    return this.#text.slice(start, this.#position);
  }

  /** Moves past any value. */
  skip(): void {
    const { containers } = this.#scratch;
    let depth = 0;
    for (;;) {
      const code = this.#code();
      if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        this.#position++;
        this.#skipBlanks();
        if (this.#code() === (code === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET)) {
          this.#position++;
        } else {
          if (depth === containers.length) throw this.#malformed(`at most ${depth} levels of nesting`);
          containers[depth++] = code === OPEN_BRACE ? OBJECT : ARRAY;
          if (code === OPEN_BRACE) this.#skipName();
          continue;
        }
      } else if (code === QUOTE) this.#skipString();
      else if (code === MINUS || isDigit(code)) this.#skipNumber();
      else if (!this.isNull()) this.boolean();
      depth = this.#leave(depth);
      if (depth === 0) return;
    }
  }

  /** After a value: closes what ends here, and stops at the next value. */
  #leave(from: number): number {
    let depth = from;
    while (depth > 0) {
      this.#skipBlanks();
      const code = this.#code();
      const inObject = this.#scratch.containers[depth - 1] === OBJECT;
      if (code === COMMA) {
        this.#position++;
        this.#skipBlanks();
        if (inObject) this.#skipName();
        return depth;
      }
      this.#expect(inObject ? CLOSE_BRACE : CLOSE_BRACKET, "a comma or the end of the value");
      depth--;
    }
    return 0;
  }

  #skipName(): void {
    this.#skipString();
    this.#colon();
  }

  #colon(): void {
    this.#skipBlanks();
    this.#expect(COLON, "a colon");
    this.#skipBlanks();
  }

  /** Returns whether the string holds an escape. */
  #skipString(): boolean {
    this.#expect(QUOTE, "a string");
    const text = this.#text;
    const { special } = this.#scratch;
    let escaped = false;
    special.lastIndex = this.#position;
    while (special.test(text)) {
      const position = special.lastIndex - 1;
      const code = text.charCodeAt(position);
      if (code === QUOTE) {
        this.#position = special.lastIndex;
        return escaped;
      }
      if (code !== BACKSLASH) throw this.#malformed("no control character in a string", position);
      escaped = true;
      special.lastIndex = this.#skipEscape(position + 1) + 1;
    }
    throw this.#malformed("the end of a string", text.length);
  }

  /** @returns the position of the escape's last character. */
  #skipEscape(position: number): number {
    const character = this.#text.charAt(position);
    if (character === "u") {
      if (FOUR_HEX_DIGITS.test(this.#text.slice(position + 1, position + 5))) return position + 4;
    } else if (character !== "" && ESCAPED.includes(character)) return position;
    throw this.#malformed("a valid escape", position);
  }

  #skipNumber(): void {
    if (this.#code() === MINUS) this.#position++;
    if (this.#code() === ZERO) this.#position++;
    else this.#skipDigits();
    if (this.#code() === DOT) {
      this.#position++;
      this.#skipDigits();
    }
    // "e" and "E"
    if ((this.#code() | 0x20) === 0x65) {
      this.#position++;
      const sign = this.#text.charAt(this.#position);
      if (sign === "+" || sign === "-") this.#position++;
      this.#skipDigits();
    }
  }

  #skipDigits(): void {
    if (!isDigit(this.#code())) throw this.#malformed("a digit");
    while (isDigit(this.#code())) this.#position++;
  }

  #skipBlanks(): void {
    for (;;) {
      const code = this.#code();
      if (code !== SPACE && code !== TAB && code !== RETURN && !(this.#isWhole && code === NEWLINE)) return;
      this.#position++;
    }
  }

  #expect(code: number, what: string): void {
    if (this.#code() !== code) throw this.#malformed(what);
    this.#position++;
  }

  /** The character code here; NaN past the end, which equals nothing. */
  #code(): number {
    return this.#text.charCodeAt(this.#position);
  }

  #malformed(expected: string, position: number = this.#position): PolywireError {
    return new PolywireError("protocol-violation", `malformed JSON: expected ${expected} at character ${position}`);
  }
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}
