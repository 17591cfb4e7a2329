import {
  type Authenticated,
  type AuthenticateRequest,
  type Authorized,
  type AuthorizeRequest,
  type Denied,
  DISCONNECTS,
  ERRORS,
  type HubOptions,
} from "@polywire/realtime";
import { between, type PlantedDefect, resultsChanged } from "./planting.ts";

type Entry = Authenticated | Denied;
type Verdict = Authorized | Denied;

/** Options with another answer to who a client is. */
function entries(change: (entry: Entry, request: AuthenticateRequest) => Entry): NonNullable<PlantedDefect["options"]> {
  return (options: HubOptions) => ({
    ...options,
    authenticate: async (request) => change((await options.authenticate?.(request)) ?? { user: "" }, request),
  });
}

/** Options with another answer to who may subscribe. */
function verdicts(
  change: (verdict: Verdict, request: AuthorizeRequest) => Verdict,
): NonNullable<PlantedDefect["options"]> {
  return (options: HubOptions) => ({
    ...options,
    authorize: async (request) => change((await options.authorize?.(request)) ?? { allowed: true }, request),
  });
}

function endsWith(answer: Entry | Verdict, { code }: { readonly code: number }): boolean {
  return "disconnect" in answer && answer.disconnect.code === code;
}

function isExpired(answer: Entry | Verdict): boolean {
  return "error" in answer && answer.error.code === ERRORS.tokenExpired.code;
}

/** What a token says, whoever wrote it. */
function believed(token = ""): Authenticated {
  try {
    const { sub = "" } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { sub?: string };
    return { user: sub };
  } catch {
    return { user: "" };
  }
}

const YES: Authorized = { allowed: true };

const FORGED = "a token that is forged, changed, or not for connecting ends the session with 3500, and is not answered";
const EXPIRED = "a token that has expired, or is not valid yet, is answered 109, and another connects";
const NO_TOKEN = "who shows no token is ended with 3501, or is nobody in particular where that is allowed";
const TIME_OVER =
  "a client whose token is over has 25 s for another: then it is ended with 3005, and who refreshed stays";
const REFRESH = "a refresh must be with a token of the same user that is good, and for the same channels";
const CAPABILITIES = "a token's capabilities open what they name, and nothing else";
const PRIVATE = "a private channel opens to a token for that very channel and user, and to nothing else";
const LISTED = "a private channel opens to the users whom its name lists";
const SUBSCRIPTION_OVER =
  "a subscription whose token is over has 25 s for another: then it ends alone with 2501, and who refreshed stays";
const SUBSCRIPTION_REFRESH =
  "a subscription's refresh must be with a token that is good, for this channel and this user";

/** What can be wrong with who is let in, to where and for how long. */
export const tokenDefects: readonly PlantedDefect[] = [
  {
    does: "does not check a token's signature",
    breaks: FORGED,
    options: entries((entry, { token }) => (endsWith(entry, DISCONNECTS.invalidToken) ? believed(token) : entry)),
  },
  {
    does: "ignores that a token has expired",
    breaks: EXPIRED,
    options: entries((entry, { token }) => (isExpired(entry) ? believed(token) : entry)),
  },
  {
    does: "lets in who shows no token",
    breaks: NO_TOKEN,
    options: entries((entry) => (endsWith(entry, DISCONNECTS.badRequest) ? { user: "" } : entry)),
  },
  {
    does: "never ends a session whose token is over",
    breaks: TIME_OVER,
    options: (options) => ({ ...options, limits: { ...options.limits, expiryGraceMs: 1_000_000_000 } }),
  },
  {
    does: "ends a session the moment that its token is over",
    breaks: TIME_OVER,
    options: (options) => ({ ...options, limits: { ...options.limits, expiryGraceMs: 1 } }),
  },
  {
    does: "does not tell a client its time",
    breaks: TIME_OVER,
    host: between(({ session }) => ({
      session: {
        connect(request, answer) {
          session.connect(request, (error, result) => {
            const { ttlMs: _, ...rest } = result ?? {};
            answer(error, result && (rest as typeof result));
          });
        },
      },
    })),
  },
  {
    does: "answers a refresh and forgets it",
    breaks: TIME_OVER,
    host: between(({ session }) => ({
      session: {
        refresh(_, answer) {
          if (!session.isClosed) answer(undefined, { ttlMs: 600_000 });
        },
      },
    })),
  },
  {
    does: "takes a refresh with another user's token",
    breaks: REFRESH,
    options: entries((entry, { action }) =>
      action === "refresh" && "user" in entry ? { ...entry, user: "42" } : entry,
    ),
  },
  {
    does: "gives every client all capabilities",
    breaks: CAPABILITIES,
    options: entries((entry) =>
      "user" in entry
        ? { ...entry, capabilities: [{ channels: ["*"], allow: ["subscribe", "publish", "history", "presence"] }] }
        : entry,
    ),
  },
  {
    does: "takes a subscription token for another channel or another user",
    breaks: PRIVATE,
    options: verdicts((verdict) => (endsWith(verdict, DISCONNECTS.invalidToken) ? YES : verdict)),
  },
  {
    does: "takes a subscription token whatever its signature",
    breaks: PRIVATE,
    options: verdicts((verdict, { token = "" }) => ("error" in verdict && token.length > 9 ? YES : verdict)),
  },
  {
    does: "has its private channels open",
    breaks: PRIVATE,
    options: (options) => ({
      ...options,
      channels: options.channels?.map((rule) => (rule.kind === "private" ? { ...rule, kind: "public" } : rule)) ?? [],
    }),
  },
  {
    does: "lets anybody into a channel that names users",
    breaks: LISTED,
    options: verdicts((verdict, { channel }) => (channel.includes("#") ? YES : verdict)),
  },
  {
    does: "ignores that a subscription's token is over",
    breaks: SUBSCRIPTION_OVER,
    options: (options) => ({ ...options, limits: { ...options.limits, expiryGraceMs: 1_000_000_000 } }),
  },
  {
    does: "does not tell a subscriber its time",
    breaks: SUBSCRIPTION_OVER,
    host: resultsChanged(({ ttlMs: _, ...result }) => result),
  },
  {
    does: "takes any token when a subscription is refreshed",
    breaks: SUBSCRIPTION_REFRESH,
    options: verdicts((verdict, { action }) => (action === "refresh" ? { ...YES, ttlMs: 60_000 } : verdict)),
  },
];
