/**
 * Characters that act on a terminal or end a line instead of being shown: control characters (C0, DEL, C1), line and
 * paragraph separators, direction marks that reorder what is read, and halves of surrogate pairs.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** The same, without what `JSON.stringify` has escaped already. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

function escapeCharacter(character: string): string {
  return SHORT_ESCAPES.get(character) ?? unicodeEscape(character);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** `text` on one line, with nothing in it that a terminal would obey. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** A line of JSON, still the same JSON, with nothing in it that a terminal would obey. */
export function escapeJson(line: string): string {
  return line.replace(UNSAFE_IN_JSON, unicodeEscape);
}
