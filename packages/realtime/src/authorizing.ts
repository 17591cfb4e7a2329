import type { ChannelSettings } from "./channel-rules.ts";
import { ERRORS } from "./codes.ts";
import { isDenied } from "./denied.ts";
import { runHook } from "./hooks.ts";
import type { Authorized, AuthorizeRequest, Denied, HubOptions } from "./options.ts";
import type { SubscribeRequest } from "./requests.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";
import { isAuthorized } from "./verdicts.ts";

/** A channel, as far as who may be in it is concerned. */
interface Door {
  readonly name: string;
  readonly settings: ChannelSettings;
}

/** Whether the client is let in without asking anybody: by the channel's kind or name, or by a capability of its own. */
export function mayEnter(session: Session, door: Door): boolean {
  return isOpenTo(session.info.user, door) || session.terms?.allow("subscribe", door.name) === true;
}

/** Whether nothing but a capability lets the client in. */
export function needsCapability(session: Session, door: Door): boolean {
  return !isOpenTo(session.info.user, door);
}

/** The channel is neither private nor the system's, or it is private and its name lists the user. */
function isOpenTo(user: string, { settings, name }: Door): boolean {
  if (settings.kind === "system") return false;
  return settings.kind !== "private" || (user !== "" && settings.usersOf(name).includes(user));
}

/** Decides whether the client may subscribe: by the rule, by its capabilities, or by the program. */
export function authorize(
  subscription: Subscription,
  { token, data }: SubscribeRequest,
  done: (verdict: Authorized | Denied) => void,
): void {
  const { session, channel } = subscription;
  const hasHook = session.parts.settings.authorize !== undefined;
  if (token === undefined || !hasHook) {
    if (mayEnter(session, channel)) {
      subscription.isByCapability = needsCapability(session, channel);
      return done(YES);
    }
    if (!hasHook) return done({ error: ERRORS.permissionDenied });
  }
  askAuthorize(subscription, { action: "subscribe", token, data }, done);
}

const YES: Authorized = { allowed: true };

/** What a client brings along. */
interface Asking {
  readonly action: "subscribe" | "refresh";
  readonly token: string | undefined;
  readonly data?: Uint8Array | undefined;
}

/** Asks the program, which is there to be asked. */
export function askAuthorize(
  { session, channel }: Subscription,
  { action, token, data }: Asking,
  done: (verdict: Authorized | Denied) => void,
): void {
  const hook = session.parts.settings.authorize as NonNullable<HubOptions["authorize"]>;
  const meta = session.terms?.meta;
  const asked: AuthorizeRequest = {
    action,
    channel: channel.name,
    client: session.id,
    user: session.info.user,
    ...(token === undefined ? {} : { token }),
    ...(data === undefined ? {} : { data }),
    ...(meta === undefined ? {} : { meta }),
  };
  runHook(
    () => hook(asked),
    session.hookDeadline("authorize"),
    (error, verdict) => {
      if (verdict !== undefined && (isAuthorized(verdict) || isDenied(verdict))) return done(verdict);
      session.hookFailed("authorize", error);
      done({ error: ERRORS.internal });
    },
  );
}
