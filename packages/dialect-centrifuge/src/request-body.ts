import { type Exchange, PolywireError } from "@polywire/core";

/** Most bytes of all bodies that are being read. */
const MAX_BYTES_UNDER_WAY = 67_108_864;

/** Reads bodies, each within its limit and all of them within one more. */
export class BodyReader {
  readonly #maxBodyBytes: number;
  #bytesUnderWay = 0;

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * The whole body; its bytes are the caller's.
   *
   * @throws PolywireError `too-large`, `overflow` when too many others are being read, or what the wire says.
   */
  async read({ headers, body }: Exchange): Promise<Uint8Array> {
    const length = Number(headers.get("content-length") ?? Number.NaN);
    if (length > this.#maxBodyBytes) throw new PolywireError("too-large", `the body has ${length} bytes`);
    // Who does not say how much comes may send as much as anybody.
    const bytes = Number.isSafeInteger(length) && length >= 0 ? length : this.#maxBodyBytes;
    if (this.#bytesUnderWay + bytes > MAX_BYTES_UNDER_WAY && this.#bytesUnderWay > 0)
      throw new PolywireError("overflow", "too many bodies are being read");
    this.#bytesUnderWay += bytes;
    try {
      return await body.bytes(this.#maxBodyBytes);
    } finally {
      this.#bytesUnderWay -= bytes;
    }
  }
}
