import { DISCONNECTS } from "./codes.ts";
import type { Subscription } from "./subscription.ts";

/** How long a command may wait for a subscribe to the same channel. */
const WAIT_TIMEOUT_MS = 5_000;

/** Most commands that wait for one subscribe: as many as come in one frame. */
const MAX_WAITING = 256;

/** The subscribe is over, one way or the other: what came for the channel meanwhile is done now, in order. */
export function runAfterwards(subscription: Subscription): void {
  const { session, channel, afterwards } = subscription;
  if (afterwards === undefined) return;
  subscription.afterwards = undefined;
  afterwards.cancelDeadline();
  for (const command of afterwards.commands) {
    if (session.isClosed) return;
    const current = session.subscriptions?.get(channel.name);
    if (current?.stage === "starting") waitFor(current, command);
    else command();
  }
}

/** Has the command done once the subscribe under way is over; in the order of the calls. */
export function waitFor(subscription: Subscription, command: () => void): void {
  const { session } = subscription;
  if (subscription.afterwards === undefined) {
    const timer = session.parts.clock.setTimer(() => session.disconnect(DISCONNECTS.internal), WAIT_TIMEOUT_MS);
    subscription.afterwards = { commands: [], cancelDeadline: () => timer.cancel() };
  }
  const { commands } = subscription.afterwards;
  if (commands.length === MAX_WAITING) return session.disconnect(DISCONNECTS.tooManyRequests);
  commands.push(command);
}
