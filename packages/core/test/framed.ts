import { FramedBytes, type Framing } from "../src/index.ts";

const plain: Framing = {
  name: "plain",
  prepare() {
    throw new Error("tests frame by hand");
  },
};

/** A text as a wire without a header frames it. */
export function framed(text: string): FramedBytes {
  const bytes = new TextEncoder().encode(text);
  return new FramedBytes(plain, bytes, 1, bytes.byteLength);
}
