import { type Clock, PolywireError } from "@polywire/core";
import { DISCONNECTS, type Target } from "@polywire/realtime";
import {
  type ApiData,
  anyText,
  count,
  data,
  type Fields,
  flag,
  integer,
  list,
  object,
  required,
  text,
  type ValuesOf,
} from "./fields.ts";
import { type ApiMethod, method, wrongField } from "./method.ts";

const MILLISECONDS_PER_SECOND = 1_000;

/** The longest that anything lasts: a year. */
const MAX_TTL_MS = 31_536_000_000;

/** What others are told of a client. */
const MAX_INFO_BYTES = 2_048;

/** What clients are told, and a close frame holds: RFC 6455, section 5.5. */
const MAX_REASON_BYTES = 123;

/** Codes that end a session: those of the protocol, then those of programs. */
const [FIRST_CODE, LAST_CODE] = [3_000, 4_999];

/** Whom it concerns. */
const TARGET = {
  user: anyText('the user, "" for everybody anonymous; may be left out where client is given'),
  client: text("one session alone, by its id"),
  session: text("not supported: name the session by client"),
} satisfies Fields;

const NOTHING = {} satisfies Fields;

/** A feature that the call asks for, whatever the channel's rule says. */
function override(description: string): ReturnType<typeof object<{ value: ReturnType<typeof flag> }>> {
  return object({ value: flag("whether it is wanted") }, description);
}

export const subscribe: ApiMethod = method({
  name: "subscribe",
  summary: "Subscribes the sessions that a user has now to a channel.",
  request: {
    ...TARGET,
    channel: required(text("what they are subscribed to")),
    info: data("JSON about the client for others in this channel, 2 KiB at most"),
    data: data("JSON that the client is told with the subscription"),
    expire_at: count("Unix time in seconds at which the session ends with 3006"),
    recover_since: object(
      { offset: count("its offset"), epoch: text("its epoch") },
      "the position after which publications are recovered",
    ),
    override: object(
      {
        force_recovery: override("makes clients recover what they missed"),
        force_positioning: override("keeps clients' positions, so that they are told when they missed something"),
        presence: override("not supported: the channel's rule decides"),
        join_leave: override("not supported: the channel's rule decides"),
        force_push_join_leave: override("not supported: the channel's rule decides"),
      },
      "features beyond those of the channel's rule",
    ),
  },
  result: NOTHING,
  run: async (
    { channel, info, data: told, expire_at: expireAt, recover_since: since, override: wanted, ...target },
    place,
  ) => {
    for (const name of ["presence", "join_leave", "force_push_join_leave"] as const) {
      if (wanted?.[name] === undefined) continue;
      throw new PolywireError("unsupported", `override.${name}: the channel's rule decides that`);
    }
    await place.hub.subscribe(targetOf(target), channel, {
      ...(info === undefined ? {} : { channelInfo: showable(info) }),
      ...(told === undefined ? {} : { data: told.bytes }),
      ...(expireAt === undefined || expireAt === 0 ? {} : { ttlMs: timeUntil(expireAt, place.clock) }),
      ...(since === undefined ? {} : { since: { offset: since.offset ?? 0, epoch: since.epoch ?? "" } }),
      recoverable: wanted?.force_recovery?.value === true,
      positioned: wanted?.force_positioning?.value === true,
    });
    return {};
  },
});

export const unsubscribe: ApiMethod = method({
  name: "unsubscribe",
  summary: "Ends the subscriptions of a user's sessions to a channel, or to all.",
  request: { ...TARGET, channel: text("what they are unsubscribed from; left out, everything") },
  result: NOTHING,
  run: async ({ channel, ...target }, { hub }) => {
    await hub.unsubscribe(targetOf(target), channel);
    return {};
  },
});

export const disconnect: ApiMethod = method({
  name: "disconnect",
  summary: "Ends the sessions of a user.",
  request: {
    ...TARGET,
    whitelist: list(text("an id"), "sessions that stay, by their ids"),
    disconnect: object(
      {
        code: required(count("3000 to 4999; clients do not come back after 3500 to 3999 and 4500 to 4999")),
        reason: text("plain text, 123 bytes at most"),
      },
      "why: 3503, force disconnect, when left out",
    ),
  },
  result: NOTHING,
  run: async ({ whitelist = [], disconnect: given, ...target }, { hub }) => {
    const reason = given === undefined ? DISCONNECTS.forceDisconnect : { code: given.code, reason: given.reason ?? "" };
    if (reason.code < FIRST_CODE || reason.code > LAST_CODE) {
      throw wrongField("disconnect.code", `is ${reason.code}: give ${FIRST_CODE} to ${LAST_CODE}`);
    }
    if (new TextEncoder().encode(reason.reason).length > MAX_REASON_BYTES) {
      throw wrongField("disconnect.reason", `has more than ${MAX_REASON_BYTES} bytes`);
    }
    await hub.disconnect(targetOf(target), { disconnect: reason, except: whitelist });
    return {};
  },
});

export const refresh: ApiMethod = method({
  name: "refresh",
  summary: "Sets when the sessions of a user end, or lifts that.",
  request: {
    ...TARGET,
    expired: flag("they end now, with 3005"),
    expire_at: integer("Unix time in seconds at which they end with 3005; 0 or left out: they do not"),
    info: data("JSON about the client for others, from its next subscription on; 2 KiB at most"),
  },
  result: NOTHING,
  run: async ({ expired = false, expire_at: expireAt = 0, info, ...target }, { hub, clock }) => {
    if (expired) await hub.disconnect(targetOf(target), { disconnect: DISCONNECTS.connectionExpired });
    else {
      const ttlMs = expireAt === 0 ? 0 : timeUntil(expireAt, clock);
      await hub.refresh(targetOf(target), { ttlMs, ...(info === undefined ? {} : { connectionInfo: showable(info) }) });
    }
    return {};
  },
});

function targetOf({ user, client, session }: ValuesOf<typeof TARGET>): Target {
  if (session !== undefined) throw wrongField("session", TARGET.session.description);
  if (client !== undefined) return { client, ...(user === undefined ? {} : { user }) };
  if (user === undefined) throw wrongField("user", 'is missing: give "" for everybody anonymous, or name one client');
  return user;
}

/** Whether it is JSON, the hub says. */
function showable({ bytes }: ApiData): Uint8Array {
  if (bytes.length <= MAX_INFO_BYTES) return bytes;
  throw wrongField("info", `has ${bytes.length} bytes: give ${MAX_INFO_BYTES} at most`);
}

function timeUntil(unixSeconds: number, clock: Clock): number {
  const leftMs = unixSeconds * MILLISECONDS_PER_SECOND - clock.wallTime();
  if (leftMs > 0) return Math.min(leftMs, MAX_TTL_MS);
  throw wrongField("expire_at", "is in the past");
}
