/**
 * A pattern of names in which `*` stands for any number of any characters. Matching is linear in the name: each piece
 * between two stars is looked for once, from left to right, and nothing is ever tried again.
 */
export class NamePattern {
  readonly text: string;
  /** What the name begins with and ends with, and what it has in between, in order; no pieces when there is no star. */
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #pieces: readonly string[];
  readonly hasStar: boolean;

  constructor(text: string) {
    this.text = text;
    const [prefix = "", ...rest] = text.split("*");
    this.hasStar = rest.length > 0;
    this.#prefix = prefix;
    this.#suffix = rest.pop() ?? "";
    this.#pieces = rest.filter((piece) => piece !== "");
  }

  matches(name: string): boolean {
    if (!this.hasStar) return name === this.text;
    if (!name.startsWith(this.#prefix) || !name.endsWith(this.#suffix)) return false;
    let from = this.#prefix.length;
    for (const piece of this.#pieces) {
      const found = name.indexOf(piece, from);
      if (found === -1) return false;
      from = found + piece.length;
    }
    return from <= name.length - this.#suffix.length;
  }

  /**
   * Whether every name that fits the other pattern fits this one too. The other's stars are letters that this pattern has
   * nowhere, so only its own stars can take them: then they take whatever may stand there.
   */
  includes(other: NamePattern): boolean {
    return this.matches(other.text);
  }
}
