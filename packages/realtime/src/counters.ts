/** What a hub counts from its start on. Plain numbers, added to where things happen. */
export class Counters {
  /** Sessions that connected. */
  connects = 0;
  /** Connects answered with an error or a disconnect by the program. */
  connectsRefused = 0;
  /** Sessions that ended, for whatever reason. */
  sessionsEnded = 0;
  /** Ended by the hub, by cause. */
  slowConsumers = 0;
  /** Of those slow, how many because the queues of all together were too large. */
  budgetCuts = 0;
  missingPongs = 0;
  staleSessions = 0;
  badRequests = 0;
  sessionsExpired = 0;
  /** Ended because their time was over, and nobody had refreshed it. */
  subscriptionsExpired = 0;
  /** Sessions and subscriptions whose time was set anew. */
  refreshes = 0;
  /** Ended with 3013: they asked for too much, or there were too many of them. */
  floods = 0;
  /** Refused because the hub or a user has as many sessions as allowed. */
  sessionsRefused = 0;
  /** Publications that the broker told this process of. */
  publications = 0;
  /** Deliveries of publications to subscribers, and those that failed. */
  deliveriesQueued = 0;
  deliveriesDropped = 0;
  /** Publications that subscribers did not get because they were behind, by their channel's rule. */
  overflowDropOldest = 0;
  overflowDropNewest = 0;
  overflowKeepLatest = 0;
  /** Joins and leaves that the broker told this process of. */
  memberships = 0;
  /** Subscribers that had missed something and were told to recover. */
  insufficientStates = 0;
  /** Subscribes that asked for what they missed: got everything, or were told that they did not. */
  recovered = 0;
  unrecovered = 0;
  /** Publications forgotten because too many came while a subscribe was under way. */
  heldForgotten = 0;
  /** Commands over the rate of their client. */
  rateRefusals = 0;
  /** Answers with an error. */
  errorsAnswered = 0;
  /** The program's own hooks that threw, rejected or answered nonsense, and those that took too long. */
  hookFailures = 0;
  hookTimeouts = 0;
  /** Calls of the broker that failed. */
  brokerFailures = 0;
  /** Orders to a session that was connecting and had too many waiting already. */
  ordersDropped = 0;
  /** Pongs and connects that were given more time because this process itself had stalled. */
  stallsForgiven = 0;
}
