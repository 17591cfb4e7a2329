import type { Request, RequestOptions, Response } from "../contract/exchange.ts";
import type { Link, SendResult } from "../contract/link.ts";
import type { Payload, Prepared } from "../contract/payload.ts";
import type { Connection } from "./connection.ts";

/** One dial of a connection. */
export interface DialCall {
  readonly endpoint: string;
  readonly protocol: string;
  /** Goes with the handshake where the wire can carry it (headers, metadata). An interceptor may add to it. */
  readonly metadata: Map<string, string>;
  readonly signal: AbortSignal;
}

/** One request of an exchanger. */
export interface ExchangeCall {
  readonly endpoint: string;
  readonly protocol: string;
  readonly request: Request;
  readonly options: RequestOptions;
}

export type DialStep = (call: DialCall) => Promise<Link>;
export type ExchangeStep = (call: ExchangeCall) => Promise<Response>;
export type SendStep = (payload: Payload | Prepared, connection: Connection) => SendResult | Promise<SendResult>;
export type ReceiveStep = (payload: Payload, connection: Connection) => void | Promise<void>;

/**
 * What stands between a program and its wires. Each function gets the next step and returns the one to take instead. It is
 * called once for a network, the step it returns for every dial, request or message.
 *
 * `send` and `receive` are synchronous, and cost a call, unless `asynchronous` names them: then every message of that
 * direction is copied and waits for those before it.
 */
export interface Interceptor {
  readonly asynchronous?: readonly ("send" | "receive")[];
  dial?(next: DialStep): DialStep;
  exchange?(next: ExchangeStep): ExchangeStep;
  send?(next: SendStep): SendStep;
  receive?(next: ReceiveStep): ReceiveStep;
}

/** What every message of a network passes. */
export interface MessageSteps {
  readonly send: SendStep;
  readonly receive: ReceiveStep;
  readonly isSendAsync: boolean;
  readonly isReceiveAsync: boolean;
}

/** The step with the interceptors around it, the first one outermost. */
export function intercepted<Step>(
  kind: "dial" | "exchange" | "send" | "receive",
  interceptors: readonly Interceptor[],
  last: Step,
): Step {
  return interceptors.reduceRight<Step>((next, interceptor) => {
    const wrap = interceptor[kind]?.bind(interceptor) as ((step: Step) => Step) | undefined;
    return wrap === undefined ? next : wrap(next);
  }, last);
}

/** Nothing, where no interceptor is about messages: they go straight through then. */
export function messageSteps(
  interceptors: readonly Interceptor[],
  last: { readonly send: SendStep; readonly receive: ReceiveStep },
): MessageSteps | undefined {
  if (interceptors.every((one) => one.send === undefined && one.receive === undefined)) return undefined;
  return {
    send: intercepted("send", interceptors, last.send),
    receive: intercepted("receive", interceptors, last.receive),
    isSendAsync: interceptors.some(({ asynchronous }) => asynchronous?.includes("send")),
    isReceiveAsync: interceptors.some(({ asynchronous }) => asynchronous?.includes("receive")),
  };
}
