import type { Clock, Random } from "../contract/clock.ts";
import type { Exchange, Request, RequestOptions, Response } from "../contract/exchange.ts";
import type { Link, SendResult } from "../contract/link.ts";
import type { Logger } from "../contract/log.ts";
import type { Payload, Prepared } from "../contract/payload.ts";
import type { Connection, ConnectionPlace } from "./connection.ts";

/** One dial of a connection. */
export interface DialCall {
  readonly endpoint: string;
  readonly protocol: string;
  /** Goes with the handshake where the wire can carry it (headers, metadata). An interceptor may add to it. */
  readonly metadata: Map<string, string>;
  /** Fires when the dial is wanted no more. An interceptor may pass on one that fires earlier. */
  readonly signal: AbortSignal;
}

/** One request of an exchanger. */
export interface ExchangeCall {
  readonly endpoint: string;
  readonly protocol: string;
  readonly request: Request;
  readonly options: RequestOptions;
}

/** What a network lends its interceptors: the same object to all of them, every time. */
export interface InterceptorHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Where a request arrived. */
export type ServePlace = Pick<ConnectionPlace, "protocol" | "endpoint">;

export type DialStep = (call: DialCall) => Promise<Link>;
export type ExchangeStep = (call: ExchangeCall) => Promise<Response>;
export type SendStep = (payload: Payload | Prepared, connection: Connection) => SendResult | Promise<SendResult>;
export type ReceiveStep = (payload: Payload, connection: Connection) => void | Promise<void>;
export type AcceptStep = (link: Link, place: ConnectionPlace) => void | Promise<void>;
export type ServeStep = (exchange: Exchange, place: ServePlace) => void | Promise<void>;

/**
 * What stands between a program and its wires. Each function gets the next step and returns the one to take instead. It is
 * called for every dial, exchanger and listener anew, and once for the messages of a network: what it remembers from one to
 * the next belongs to the interceptor, under its `host` if several networks share it.
 *
 * `send` and `receive` are synchronous, and cost a call, unless `asynchronous` names them: then every message of that
 * direction is copied and waits for those before it. `accept` and `serve` return what `next` returned, so that a handler that rejects is
 * reported.
 */
export interface Interceptor {
  readonly asynchronous?: readonly ("send" | "receive")[];
  /** Headers of a handshake that `accept` shall find at the peer of its link: others are gone by then. Read for each listener. */
  readonly keepHeaders?: readonly string[];
  /** Around a dial of a connection or a pool. */
  dial?(next: DialStep, host: InterceptorHost): DialStep;
  /** Around a request, from the call to the head of its response. */
  exchange?(next: ExchangeStep, host: InterceptorHost): ExchangeStep;
  /** Around a message that a connection sends. */
  send?(next: SendStep, host: InterceptorHost): SendStep;
  /** Around a message that a connection receives. */
  receive?(next: ReceiveStep, host: InterceptorHost): ReceiveStep;
  /** Around the handler of a link that a listener accepted. Who does not call `next` must open or close the link. */
  accept?(next: AcceptStep, host: InterceptorHost): AcceptStep;
  /** Around the handler of a request that arrived. Who does not call `next` must answer it. */
  serve?(next: ServeStep, host: InterceptorHost): ServeStep;
}

/** What an interceptor can stand around. */
type Interception = Exclude<keyof Interceptor, "asynchronous" | "keepHeaders">;

/** What a network intercepts with. */
export interface Intercepting {
  readonly interceptors: readonly Interceptor[];
  readonly host: InterceptorHost;
}

/** What every message of a network passes. */
export interface MessageSteps {
  readonly send: SendStep;
  readonly receive: ReceiveStep;
  readonly isSendAsync: boolean;
  readonly isReceiveAsync: boolean;
}

/** The step with the interceptors around it, the first one outermost. */
export function intercepted<Step>(kind: Interception, { interceptors, host }: Intercepting, last: Step): Step {
  return interceptors.reduceRight<Step>((next, interceptor) => {
    const wrap = interceptor[kind]?.bind(interceptor) as ((step: Step, host: InterceptorHost) => Step) | undefined;
    return wrap === undefined ? next : wrap(next, host);
  }, last);
}

/** Nothing, where no interceptor is about messages: they go straight through then. */
export function messageSteps(
  intercepting: Intercepting,
  last: { readonly send: SendStep; readonly receive: ReceiveStep },
): MessageSteps | undefined {
  const { interceptors } = intercepting;
  if (interceptors.every((one) => one.send === undefined && one.receive === undefined)) return undefined;
  return {
    send: intercepted("send", intercepting, last.send),
    receive: intercepted("receive", intercepting, last.receive),
    isSendAsync: interceptors.some(({ asynchronous }) => asynchronous?.includes("send")),
    isReceiveAsync: interceptors.some(({ asynchronous }) => asynchronous?.includes("receive")),
  };
}
