import type { HistoryPage } from "@polywire/core";
import { type ClientSession, DISCONNECTS, ERRORS } from "@polywire/realtime";
import type { ClientOutlet } from "./client-outlet.ts";
import type { Command, PublishRequest, SubscribeRequest, TokenRequest } from "./message.ts";
import { expiry, historyCommand, subscribeRequest, subscribeResult, unrecovered } from "./results.ts";

/** Values of `SubscribeRequest.type`: streams are all we serve. */
const SUBSCRIPTION_TYPE = { stream: 0, sharedPoll: 4 } as const;

/** Values of `SubscribeRequest.delta` that are no breach of the protocol. */
const DELTA_TYPES: readonly string[] = ["", "fossil"];

const NO_DATA = new Uint8Array(0);

/** Hands one command of a connected client to its session; the answer goes out through the outlet. */
export function dispatch(command: Command, session: ClientSession, outlet: ClientOutlet): void {
  const { codec } = outlet;
  switch (command.kind) {
    case "publish":
      return publish(command.id, command.request, { session, outlet });
    case "subscribe":
      return subscribe(command.id, command.request, { session, outlet });
    case "pong":
      return session.pong();
    case "send":
      return session.send(command.data ?? NO_DATA, formatOf(outlet));
    case "unsubscribe": {
      const { id, channel } = command;
      if (channel === "") return session.disconnect(DISCONNECTS.badRequest);
      return session.unsubscribe(channel, (error) => {
        if (error === undefined) outlet.tell(codec.done(id, "unsubscribe"));
        else outlet.answerError(id, error);
      });
    }
    case "presence": {
      const { id, channel } = command;
      if (channel === "") return session.disconnect(DISCONNECTS.badRequest);
      return session.presence(channel, (error, members) => {
        if (members === undefined) outlet.answerError(id, error ?? ERRORS.internal);
        else if (!outlet.tellIfFits(codec.presence(id, members))) outlet.answerError(id, ERRORS.limitExceeded);
      });
    }
    case "presence_stats": {
      const { id, channel } = command;
      if (channel === "") return session.disconnect(DISCONNECTS.badRequest);
      return session.presenceStats(channel, (error, stats) => {
        if (stats === undefined) outlet.answerError(id, error ?? ERRORS.internal);
        else outlet.tell(codec.presenceStats(id, stats));
      });
    }
    case "history": {
      const { id, request } = command;
      if (request.channel === "") return session.disconnect(DISCONNECTS.badRequest);
      return session.history(historyCommand(request), (error, page) => {
        if (page === undefined) outlet.answerError(id, error ?? ERRORS.internal);
        else tellHistory(id, page, outlet);
      });
    }
    case "rpc": {
      const { id, method, data } = command;
      return session.call(method, data ?? NO_DATA, (error, result) => {
        if (result === undefined) outlet.answerError(id, error ?? ERRORS.internal);
        else if (!outlet.tellIfFits(codec.rpc(id, result))) outlet.answerError(id, ERRORS.limitExceeded);
      });
    }
    case "refresh":
    case "sub_refresh":
      return refresh(command.kind, command.id, { request: command.request, session, outlet });
    // A second connect, a command the protocol does not know, and its own `ping`, which it reserves and nobody may use.
    case "connect":
    case "unknown":
    case "ping":
      return session.disconnect(DISCONNECTS.badRequest);
  }
}

interface Parties {
  readonly session: ClientSession;
  readonly outlet: ClientOutlet;
}

function publish(id: number, request: PublishRequest, { session, outlet }: Parties): void {
  const { channel, data, type } = request;
  if (channel === "") return session.disconnect(DISCONNECTS.badRequest);
  if (type !== SUBSCRIPTION_TYPE.stream) return outlet.answerError(id, ERRORS.badRequest);
  session.publish(channel, data ?? NO_DATA, formatOf(outlet), (error) => {
    if (error === undefined) outlet.tell(outlet.codec.done(id, "publish"));
    else outlet.answerError(id, error);
  });
}

function subscribe(id: number, request: SubscribeRequest, { session, outlet }: Parties): void {
  const { codec } = outlet;
  if (request.channel === "" || !DELTA_TYPES.includes(request.delta)) return session.disconnect(DISCONNECTS.badRequest);
  if (request.type === SUBSCRIPTION_TYPE.sharedPoll) return outlet.answerError(id, ERRORS.notAvailable);
  if (request.type !== SUBSCRIPTION_TYPE.stream) return outlet.answerError(id, ERRORS.permissionDenied);
  const asked = subscribeRequest(request);
  session.subscribe(outlet.knowsNumbers ? asked : { ...asked, compaction: false }, (error, result) => {
    if (result === undefined) return outlet.answerError(id, error ?? ERRORS.internal);
    if (outlet.tellIfFits(codec.subscribe(id, subscribeResult(result)))) return;
    outlet.tell(codec.subscribe(id, subscribeResult(unrecovered(result))));
  });
}

/** A page may always hold less than was asked for, so one that no message can carry is cut in half until it fits. */
function tellHistory(id: number, page: HistoryPage, outlet: ClientOutlet): void {
  let { publications } = page;
  while (!outlet.tellIfFits(outlet.codec.history(id, { ...page, publications }))) {
    if (publications.length <= 1) return outlet.answerError(id, ERRORS.limitExceeded);
    publications = publications.slice(0, Math.ceil(publications.length / 2));
  }
}

function refresh(
  kind: "refresh" | "sub_refresh",
  id: number,
  { request, session, outlet }: Parties & { readonly request: TokenRequest },
): void {
  const { channel, token, type } = request;
  const answer = (error: typeof ERRORS.internal | undefined, result: { readonly ttlMs?: number } | undefined): void => {
    if (result === undefined) outlet.answerError(id, error ?? ERRORS.internal);
    else outlet.tell(outlet.codec.refresh(id, kind, expiry(result.ttlMs)));
  };
  if (kind === "refresh") {
    if (token === "") return session.disconnect(DISCONNECTS.badRequest);
    return session.refresh(token, answer);
  }
  if (channel === "") return session.disconnect(DISCONNECTS.badRequest);
  if (type !== SUBSCRIPTION_TYPE.stream) return outlet.answerError(id, ERRORS.notAvailable);
  session.refreshSubscription(channel, token, answer);
}

/** A JSON client's data are JSON; a Protobuf client's may be anything. */
function formatOf(outlet: ClientOutlet): "json" | "binary" {
  return outlet.encoding === "json" ? "json" : "binary";
}
