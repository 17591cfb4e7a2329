import { Buffer } from "node:buffer";
import { Refusal } from "./refusal.ts";

/** Header, claims and signature (RFC 7515 section 7.1), each in base64url without padding. */
const PARTS = 3;

/**
 * Whether the text has the form of a signed token, before anything in it is decoded. Every byte sequence has one spelling
 * only: padding, the other alphabet of base64, white space and stray bits at the end of a part are refused.
 */
export function checkForm(token: string, maxTokenBytes: number): Refusal | undefined {
  if (typeof token !== "string") return new Refusal("malformed", "is no text");
  if (token.length > maxTokenBytes) return new Refusal("too-large", `is longer than ${maxTokenBytes} bytes`);
  const parts = token.split(".");
  if (parts.length === 5) return new Refusal("malformed", "is encrypted (JWE): only signed tokens are taken");
  if (parts.length !== PARTS) return new Refusal("malformed", `has ${parts.length} parts: a signed token has three`);
  for (const [index, part] of parts.entries()) {
    const name = ["header", "claims", "signature"][index];
    if (part === "") return new Refusal("malformed", `has no ${name}`);
    if (Buffer.from(part, "base64url").toString("base64url") !== part) {
      return new Refusal("malformed", `its ${name} is no base64url without padding`);
    }
  }
  return undefined;
}
