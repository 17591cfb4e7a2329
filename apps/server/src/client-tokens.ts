import { Tokens } from "@polywire/auth-jwt";
import type { Clock } from "@polywire/core";
import type { ClientConfig } from "./config/schema.ts";
import { readTokenKeys } from "./config/token-keys.ts";

/** Who decides about clients: by their tokens, if there are keys for some; else everybody is let in, as nobody in particular. */
export function clientTokens(client: ClientConfig, clock: Clock): Tokens | undefined {
  const keys = readTokenKeys(client);
  const { token, allowAnonymous } = client;
  if (keys === undefined || token === undefined) return undefined;
  const { audience, issuer, requireExpiry, allowWeakKey, leewayMs, maxTtlMs, maxBytes } = token;
  return new Tokens({
    ...keys,
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
    allowAnonymous,
    requireExpiry,
    allowWeakKey,
    leewayMs,
    maxTtlMs,
    maxTokenBytes: maxBytes,
    clock,
  });
}
