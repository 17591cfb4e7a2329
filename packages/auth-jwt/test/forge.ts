import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";

/** Tokens made by hand, so that they may be wrong in every way; not by the library that verifies them. */

export type Claims = Readonly<Record<string, unknown>>;

export function encoded(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** A token with this header and these claims, signed with HMAC by whatever the key holds. */
export function forged(header: Claims, claims: unknown, key: string | Buffer): string {
  const signed = `${encoded(header)}.${encoded(claims)}`;
  const hash = String(header["alg"]).replace("HS", "sha");
  const signature = createHmac(/^sha(256|384|512)$/.test(hash) ? hash : "sha256", key)
    .update(signed)
    .digest("base64url");
  return `${signed}.${signature}`;
}

export function hs256(claims: unknown, key: string | Buffer, header: Claims = {}): string {
  return forged({ alg: "HS256", typ: "JWT", ...header }, claims, key);
}
