import type { Tokens } from "@polywire/auth-jwt";
import type { HttpHooks } from "@polywire/hooks-http";
import { ERRORS, type HubOptions, NamePattern } from "@polywire/realtime";
import type { ServerConfig } from "./config/schema.ts";
import { admitAnonymous } from "./display-name.ts";

/** Who may decide about clients. */
export interface Judges {
  /** Absent: there are no keys for tokens. */
  readonly tokens: Tokens | undefined;
  /** Absent: there is no backend to ask. */
  readonly backend: HttpHooks | undefined;
}

type Hooks = Pick<HubOptions, "authenticate" | "authorize" | "publishing" | "call">;

/**
 * The hub's hooks. A token decides where there is one and keys for it; else the backend where it wants to be asked; else clients are
 * let in as nobody in particular, if they may be.
 */
export function clientHooks(
  { tokens, backend }: Judges,
  { client, channels }: Pick<ServerConfig, "client" | "channels">,
): Hooks {
  const asked = backend?.hooks ?? {};
  return {
    authenticate: authenticateBy(tokens, asked, client.allowAnonymous),
    authorize: authorizeBy({ tokens, asked, channels }),
    ...(asked.publishing !== undefined && { publishing: asked.publishing }),
    ...(asked.call !== undefined && { call: asked.call }),
  };
}

function authenticateBy(
  tokens: Tokens | undefined,
  asked: HttpHooks["hooks"],
  allowAnonymous: boolean,
): NonNullable<HubOptions["authenticate"]> {
  return (request) => {
    const hasToken = request.token !== undefined && request.token !== "";
    if (hasToken && tokens !== undefined) return tokens.authenticate(request);
    if (asked.authenticate !== undefined) return asked.authenticate(request);
    return tokens === undefined || allowAnonymous ? admitAnonymous(request) : tokens.authenticate(request);
  };
}

interface Authorizing {
  readonly tokens: Tokens | undefined;
  readonly asked: HttpHooks["hooks"];
  readonly channels: ServerConfig["channels"];
}

function authorizeBy({ tokens, asked, channels }: Authorizing): NonNullable<HubOptions["authorize"]> {
  const open = channels.filter(({ subscribe }) => subscribe === "clients").map(({ match }) => new NamePattern(match));
  return (request) => {
    const hasToken = request.token !== undefined;
    if (!hasToken && open.some((pattern) => pattern.matches(request.channel))) return { allowed: true };
    if (tokens !== undefined && (hasToken || asked.authorize === undefined)) return tokens.authorize(request);
    return asked.authorize?.(request) ?? { error: ERRORS.permissionDenied };
  };
}
