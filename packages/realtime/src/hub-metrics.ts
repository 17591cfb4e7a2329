import type { MetricFamily } from "@polywire/core";
import type { HubStats } from "./hub-stats.ts";

/** Numbers that one attribute tells apart, or one number alone under no word. */
type Figures = Readonly<Record<string, number>>;

/** A family without its points, and the attribute that tells them apart. */
type Row = Omit<MetricFamily, "points"> & {
  readonly attribute?: string;
  readonly figures: (stats: HubStats) => number | Figures;
};

const COUNTS: readonly Row[] = [
  {
    name: "session.count",
    description: "Sessions that there are.",
    unit: "{session}",
    kind: "gauge",
    attribute: "polywire.session.state",
    figures: ({ sessions, sessionsConnected }) => ({
      connected: sessionsConnected,
      connecting: sessions - sessionsConnected,
    }),
  },
  {
    name: "user.count",
    description: "Users with a name that have a session.",
    unit: "{user}",
    kind: "gauge",
    figures: ({ users }) => users,
  },
  {
    name: "channel.count",
    description: "Channels that somebody on this process is subscribed to.",
    unit: "{channel}",
    kind: "gauge",
    figures: ({ channels }) => channels,
  },
  {
    name: "subscription.count",
    description: "Sessions in channels.",
    unit: "{subscription}",
    kind: "gauge",
    figures: ({ subscriptions }) => subscriptions,
  },
  {
    name: "command.active",
    description: "Commands of clients that wait for their answers.",
    unit: "{command}",
    kind: "gauge",
    figures: ({ commandsInFlight }) => commandsInFlight,
  },
  {
    name: "command.held",
    description: "Data that came with the commands that wait for their answers.",
    unit: "By",
    kind: "gauge",
    figures: ({ bytesInFlight }) => bytesInFlight,
  },
  {
    name: "session.buffered",
    description: "What is on its way to all clients.",
    unit: "By",
    kind: "gauge",
    figures: ({ bufferedBytes }) => bufferedBytes,
  },
  {
    name: "session.retained",
    description: "What is on its way to all clients, as the memory it takes: what several wait for counts once.",
    unit: "By",
    kind: "gauge",
    figures: ({ retainedBytes }) => retainedBytes,
  },
  {
    name: "session.largest_buffered",
    description: "What is on its way to the client that is furthest behind.",
    unit: "By",
    kind: "gauge",
    figures: ({ largestBufferedBytes }) => largestBufferedBytes,
  },
];

const SESSIONS: readonly Row[] = [
  {
    name: "session.connected",
    description: "Sessions that connected.",
    unit: "{session}",
    kind: "counter",
    figures: ({ connects }) => connects,
  },
  {
    name: "session.refused",
    description: "Sessions that were not let in: by the program, or because there were too many.",
    unit: "{session}",
    kind: "counter",
    attribute: "polywire.refusal.cause",
    figures: ({ connectsRefused, sessionsRefused }) => ({ program: connectsRefused, limit: sessionsRefused }),
  },
  {
    name: "session.ended",
    description: "Sessions that ended, for whatever reason.",
    unit: "{session}",
    kind: "counter",
    figures: ({ sessionsEnded }) => sessionsEnded,
  },
  {
    name: "session.cut",
    description: "Sessions that the hub ended, by what was wrong with them.",
    unit: "{session}",
    kind: "counter",
    attribute: "polywire.cut.cause",
    figures: ({ slowConsumers, budgetCuts, missingPongs, staleSessions, badRequests, floods, sessionsExpired }) => ({
      slow: slowConsumers - budgetCuts,
      budget: budgetCuts,
      "no pong": missingPongs,
      stale: staleSessions,
      "bad request": badRequests,
      "too many requests": floods,
      expired: sessionsExpired,
    }),
  },
  {
    name: "subscription.expired",
    description: "Subscriptions that ended because nobody refreshed them in time.",
    unit: "{subscription}",
    kind: "counter",
    figures: ({ subscriptionsExpired }) => subscriptionsExpired,
  },
  {
    name: "refresh.count",
    description: "Sessions and subscriptions whose time was set anew.",
    unit: "{refresh}",
    kind: "counter",
    figures: ({ refreshes }) => refreshes,
  },
];

const TRAFFIC: readonly Row[] = [
  {
    name: "publication.received",
    description: "Publications that reached this process.",
    unit: "{publication}",
    kind: "counter",
    figures: ({ publications }) => publications,
  },
  {
    name: "publication.forgotten",
    description: "Publications forgotten because too many came while a subscribe was under way.",
    unit: "{publication}",
    kind: "counter",
    figures: ({ heldForgotten }) => heldForgotten,
  },
  {
    name: "publication.deliveries",
    description: "Publications handed to subscribers, and those that could not be.",
    unit: "{delivery}",
    kind: "counter",
    attribute: "polywire.delivery.result",
    figures: ({ deliveriesQueued, deliveriesDropped }) => ({ queued: deliveriesQueued, dropped: deliveriesDropped }),
  },
  {
    name: "publication.overflowed",
    description: "Publications that subscribers did not get because they were behind, by the policy of the channel.",
    unit: "{delivery}",
    kind: "counter",
    attribute: "polywire.overflow.policy",
    figures: ({ overflowDropOldest, overflowDropNewest, overflowKeepLatest }) => ({
      "drop-oldest": overflowDropOldest,
      "drop-newest": overflowDropNewest,
      "keep-latest": overflowKeepLatest,
    }),
  },
  {
    name: "membership.received",
    description: "Joins and leaves that reached this process.",
    unit: "{event}",
    kind: "counter",
    figures: ({ memberships }) => memberships,
  },
  {
    name: "subscription.recoveries",
    description: "Subscribes that asked for what they missed, by whether they got all of it.",
    unit: "{subscription}",
    kind: "counter",
    attribute: "polywire.recovery.result",
    figures: ({ recovered, unrecovered }) => ({ recovered, unrecovered }),
  },
  {
    name: "subscription.insufficient",
    description: "Subscribers that had missed something and were told to recover.",
    unit: "{subscription}",
    kind: "counter",
    figures: ({ insufficientStates }) => insufficientStates,
  },
];

const FAILURES: readonly Row[] = [
  {
    name: "command.errors",
    description: "Commands that were answered with an error.",
    unit: "{command}",
    kind: "counter",
    figures: ({ errorsAnswered }) => errorsAnswered,
  },
  {
    name: "command.rate_limited",
    description: "Commands over the rate of their client.",
    unit: "{command}",
    kind: "counter",
    figures: ({ rateRefusals }) => rateRefusals,
  },
  {
    name: "hook.failures",
    description: "Hooks of the program that failed or took too long.",
    unit: "{call}",
    kind: "counter",
    attribute: "polywire.hook.failure",
    figures: ({ hookFailures, hookTimeouts }) => ({ failed: hookFailures, "timed out": hookTimeouts }),
  },
  {
    name: "broker.failures",
    description: "Calls of the broker that failed.",
    unit: "{call}",
    kind: "counter",
    figures: ({ brokerFailures }) => brokerFailures,
  },
  {
    name: "order.dropped",
    description: "Orders to sessions that were connecting and had too many waiting already.",
    unit: "{order}",
    kind: "counter",
    figures: ({ ordersDropped }) => ordersDropped,
  },
  {
    name: "stall.forgiven",
    description: "Pongs and connects that were given more time because this process itself had stalled.",
    unit: "{deadline}",
    kind: "counter",
    figures: ({ stallsForgiven }) => stallsForgiven,
  },
];

/** A hub's numbers as figures of its network. Neither channels nor users nor sessions are named. */
export function hubFamilies(stats: HubStats): MetricFamily[] {
  return [...COUNTS, ...SESSIONS, ...TRAFFIC, ...FAILURES].map(({ attribute = "", figures, ...family }) => {
    const found = figures(stats);
    const points =
      typeof found === "number"
        ? [{ attributes: {}, value: found }]
        : Object.entries(found).map(([word, value]) => ({ attributes: { [attribute]: word }, value }));
    return { ...family, name: `polywire.hub.${family.name}`, points };
  });
}
