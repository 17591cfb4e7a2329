/**
 * A pattern for names in which `*` stands for any number of any characters. Matching takes time linear in the name for
 * each part of the pattern, and never goes back.
 */
export class NamePattern {
  readonly text: string;
  readonly #parts: readonly string[];

  constructor(text: string) {
    this.text = text;
    this.#parts = text.split("*");
  }

  matches(name: string): boolean {
    const parts = this.#parts;
    const first = parts[0] as string;
    if (parts.length === 1) return name === first;
    const last = parts.at(-1) as string;
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (let index = 1; index < parts.length - 1; index++) {
      const part = parts[index] as string;
      const found = name.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  }

  /** Whether it matches everything that the other pattern does. */
  covers(other: NamePattern): boolean {
    // A star of the other stands for anything, so only a star of this one can take it: no name holds this character.
    return this.matches(other.text.replaceAll("*", "\u{0}*\u{0}")) || this.text === other.text;
  }
}
