import type { Tokens } from "@polywire/auth-jwt";
import type { HttpHooks } from "@polywire/hooks-http";
import type { HubOptions } from "@polywire/realtime";
import type { ClientConfig } from "./config/schema.ts";
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
export function clientHooks({ tokens, backend }: Judges, { allowAnonymous }: ClientConfig): Hooks {
  const asked = backend?.hooks ?? {};
  const authorize = authorizeBy(tokens, asked);
  return {
    authenticate: authenticateBy(tokens, asked, allowAnonymous),
    ...(authorize !== undefined && { authorize }),
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

function authorizeBy(tokens: Tokens | undefined, asked: HttpHooks["hooks"]): HubOptions["authorize"] | undefined {
  if (tokens === undefined || asked.authorize === undefined) return tokens?.authorize ?? asked.authorize;
  const { authorize } = asked;
  return (request) => (request.token === undefined ? authorize(request) : tokens.authorize(request));
}
