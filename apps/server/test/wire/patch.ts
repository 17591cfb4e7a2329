import assert from "node:assert/strict";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/** Applies a patch of Fossil's format, as its documentation says it; fails where it does not fit. */
export function applyPatch(source: string, patch: string): string {
  const from = new TextEncoder().encode(source);
  const commands = new TextEncoder().encode(patch);
  const made: number[] = [];
  let at = 0;
  const integer = (): [value: number, sign: string] => {
    let value = 0;
    for (;;) {
      const character = String.fromCharCode(commands[at++] ?? 0);
      const digit = DIGITS.indexOf(character);
      if (digit === -1) return [value, character];
      value = value * 64 + digit;
    }
  };
  const [size, newline] = integer();
  if (newline !== "\n") assert.fail("a patch does not begin with a size");
  for (;;) {
    const [number, sign] = integer();
    if (sign === ";") {
      if (made.length !== size || checksum(made) !== number) assert.fail("a patch does not fit what it was applied to");
      return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(made));
    }
    if (sign === ":") {
      made.push(...commands.subarray(at, at + number));
      at += number;
    } else if (sign === "@") {
      const [offset] = integer();
      made.push(...from.subarray(offset, offset + number));
    } else assert.fail(`a patch has the unknown command ${JSON.stringify(sign)}`);
  }
}

function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) sum = (sum + byte * 256 ** (3 - (index % 4))) % 2 ** 32;
  return sum;
}
