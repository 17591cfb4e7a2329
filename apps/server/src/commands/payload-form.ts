import { isUtf8 } from "node:buffer";
import { type Payload, PolywireError } from "@polywire/core";

/** How `connect` reads messages from its input and shows those that come. */
export interface PayloadForm {
  /** @throws PolywireError `invalid-argument` for a line that is no message. */
  read(line: string): Payload;
  /** Bytes of a wire without messages pass as they are, without lines. */
  readonly passesRaw: boolean;
  /** For people and pipes. */
  show(payload: Payload): string;
  /** For `--json`. */
  describe(payload: Payload): { readonly text: string } | { readonly hex: string } | { readonly base64: string };
}

/** Lines are text messages. Bytes that are no text are shown in hexadecimal digits. */
export const TEXT_FORM: PayloadForm = {
  passesRaw: true,
  read: (line) => line,
  show: (payload) => textOf(payload) ?? hexOf(payload),
  describe: (payload) => {
    const text = textOf(payload);
    return text === undefined ? { base64: Buffer.from(payload).toString("base64") } : { text };
  },
};

/** Lines are text, sent as binary messages. */
export const BINARY_FORM: PayloadForm = { ...TEXT_FORM, read: (line) => Buffer.from(line) };

/** Lines are the hexadecimal digits of binary messages; blanks between them do not count. */
export const HEX_FORM: PayloadForm = {
  passesRaw: false,
  read(line) {
    const digits = line.replaceAll(/\s/g, "");
    if (digits.length % 2 === 0 && /^[0-9a-f]*$/i.test(digits)) return Buffer.from(digits, "hex");
    throw new PolywireError("invalid-argument", "with --hex a line holds pairs of hexadecimal digits: 68 65 6c 6c 6f");
  },
  show: hexOf,
  describe: (payload) => ({ hex: hexOf(payload) }),
};

function textOf(payload: Payload): string | undefined {
  if (typeof payload === "string") return payload;
  return isUtf8(payload) ? Buffer.from(payload).toString("utf8") : undefined;
}

function hexOf(payload: Payload): string {
  return Buffer.from(payload as Uint8Array).toString("hex");
}
