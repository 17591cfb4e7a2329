import { DISCONNECTS, type Unsubscribe } from "./codes.ts";
import type { Answer } from "./requests.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./waiting.ts";

/** Never fails: who is not subscribed has what he wants. */
export function unsubscribe(session: Session, name: string, answer: Answer<undefined>): void {
  if (name === "") return session.disconnect(DISCONNECTS.badRequest);
  const subscription = session.subscriptions?.get(name);
  if (subscription?.stage === "starting") {
    return waitFor(subscription, () => unsubscribe(session, name, answer));
  }
  subscription?.end();
  answer(undefined, undefined);
}

/** @param name every channel when absent. */
export function unsubscribeByServer(session: Session, name: string | undefined, unsubscribe: Unsubscribe): void {
  const all = session.subscriptions;
  if (all === undefined) return;
  const subscriptions = name === undefined ? [...all.values()] : [all.get(name)];
  for (const subscription of subscriptions) {
    if (subscription === undefined) continue;
    const { name: channel } = subscription.channel;
    if (subscription.stage === "live") subscription.endByServer(unsubscribe);
    else waitFor(subscription, () => session.subscriptions?.get(channel)?.endByServer(unsubscribe));
  }
}
