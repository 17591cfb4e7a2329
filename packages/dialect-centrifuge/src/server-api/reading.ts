import { client, count, flag, integer, list, map, object, publication, required, text } from "./fields.ts";
import { type ApiMethod, method, wrongField } from "./method.ts";

/** Most bytes of data in one page of history: two of the largest pages and what is around them fit into a gRPC message. */
const MAX_PAGE_BYTES = 2_097_152;

/** No name is longer, and no pattern needs more signs than that. */
const MAX_PATTERN_LENGTH = 1_024;

const MILLISECONDS_PER_SECOND = 1_000;

const channel = required(text("the channel"));

export const presence: ApiMethod = method({
  name: "presence",
  summary: "Who is in a channel.",
  request: { channel },
  result: { presence: required(map(client("a client"), "by their ids")) },
  run: async ({ channel: name }, { hub }) => {
    const members = await hub.presence(name);
    return { presence: new Map(members.map((info) => [info.client, info])) };
  },
});

export const presenceStats: ApiMethod = method({
  name: "presence_stats",
  summary: "How many are in a channel.",
  request: { channel },
  result: {
    num_clients: required(count("sessions")),
    num_users: required(count("different users; all that are anonymous count as one")),
  },
  run: async ({ channel: name }, { hub }) => {
    const { clients, users } = await hub.presenceStats(name);
    return { num_clients: clients, num_users: users };
  },
});

export const history: ApiMethod = method({
  name: "history",
  summary: "A page of a channel's stream, and where its top is.",
  request: {
    channel,
    limit: integer("most publications: 0 for the position alone, negative for all; a page ends at 2 MiB of data"),
    since: object(
      { offset: count("its offset"), epoch: text("its epoch; left out, it is not compared") },
      "the position after which the page begins, or before which in reverse",
    ),
    reverse: flag("the newest first"),
  },
  result: {
    publications: required(list(publication("a publication"), "in the order asked for")),
    epoch: required(text("the stream that offsets count in")),
    offset: required(count("the offset of its top")),
  },
  run: async ({ channel: name, limit = 0, since, reverse = false }, { hub }) => {
    const { offset = 0, epoch = "" } = since ?? {};
    if (reverse && since !== undefined && offset === 0) throw wrongField("since.offset", "nothing is before 0");
    const { publications, position } = await hub.history(name, {
      limit: limit < 0 ? Number.MAX_SAFE_INTEGER : limit,
      reverse,
      maxBytes: MAX_PAGE_BYTES,
      ...(since === undefined ? {} : { since: { offset, epoch } }),
    });
    return { publications, epoch: position.epoch, offset: position.offset };
  },
});

export const historyRemove: ApiMethod = method({
  name: "history_remove",
  summary: "Removes what a channel keeps. Its position stays.",
  request: { channel },
  result: {},
  run: async ({ channel: name }, { hub }) => {
    await hub.removeHistory(name);
    return {};
  },
});

export const channels: ApiMethod = method({
  name: "channels",
  summary: "The channels that clients are subscribed to now, 10,000 at most.",
  request: { pattern: text("of their names; * stands for any characters; left out, all") },
  result: {
    channels: required(
      map(object({ num_clients: required(count("sessions that are subscribed")) }, "a channel"), "by their names"),
    ),
  },
  run: async ({ pattern = "*" }, { hub }) => {
    if (pattern.length > MAX_PATTERN_LENGTH) {
      throw wrongField("pattern", `has ${pattern.length} characters: give ${MAX_PATTERN_LENGTH} at most`);
    }
    const active = await hub.channels(pattern);
    return { channels: new Map(active.map(({ name, clients }) => [name, { num_clients: clients }])) };
  },
});

export const info: ApiMethod = method({
  name: "info",
  summary: "The processes of the server, and what each holds.",
  request: {},
  result: {
    nodes: required(
      list(
        object(
          {
            uid: required(text("made anew with every start")),
            name: required(text("what it is called")),
            version: required(text("of the server")),
            num_clients: required(count("sessions that are connected")),
            num_users: required(count("users with a name that have a session")),
            num_subs: required(count("subscriptions")),
            num_channels: required(count("channels that somebody is subscribed to")),
            uptime: count("seconds since it was started"),
          },
          "a process",
        ),
        "one for each process",
      ),
    ),
  },
  run: async (_request, { hub }) => {
    const nodes = await hub.nodes();
    return {
      nodes: nodes.map(({ id, name, version, clients, users, subscriptions, channels: active, uptimeMs }) => ({
        uid: id,
        name,
        version,
        num_clients: clients,
        num_users: users,
        num_subs: subscriptions,
        num_channels: active,
        uptime: Math.floor(uptimeMs / MILLISECONDS_PER_SECOND),
      })),
    };
  },
});
