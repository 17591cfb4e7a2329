import { createHmac } from "node:crypto";
import { type TokenOptions, Tokens } from "@polywire/auth-jwt";
import type { HubOptions } from "@polywire/realtime";
import { TestClock } from "./test-clock.ts";

export const SECRET: string = "the secret of a server under test";

export type Claims = Readonly<Record<string, unknown>>;

/** A token made by hand: whatever the header says, it is signed with HMAC and SHA-256. */
export function signed(
  claims: Claims,
  { secret = SECRET, header = {} }: { secret?: string; header?: Claims } = {},
): string {
  const parts = [{ alg: "HS256", typ: "JWT", ...header }, claims];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** The keys and the time of a server whose clients have tokens. */
export class TokenWorld {
  readonly clock: TestClock = new TestClock();
  readonly #tokens: Tokens;

  constructor(options: Partial<TokenOptions> = {}) {
    this.#tokens = new Tokens({ key: { hmacSecret: SECRET }, clock: this.clock, ...options });
  }

  /** What a hub needs to go by tokens, at this time. */
  get hub(): Pick<HubOptions, "authenticate" | "authorize" | "clock"> {
    const { authenticate, authorize } = this.#tokens;
    return { authenticate, authorize, clock: this.clock };
  }

  /** Seconds since 1970, so many from now on. */
  at(seconds: number): number {
    return Math.floor(this.clock.wallTime() / 1_000) + seconds;
  }

  /** A connection token of a user, for a minute unless the claims say otherwise. */
  connection(user: string, claims: Claims = {}): string {
    return signed({ sub: user, exp: this.at(60), ...claims });
  }

  subscription(user: string, channel: string, claims: Claims = {}): string {
    return this.connection(user, { channel, ...claims });
  }
}

/** The same token with one letter of its signature changed. */
export function altered(token: string): string {
  const [header, claims, signature = ""] = token.split(".");
  return `${header}.${claims}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
}
