import type { Http2Server } from "node:http2";
import {
  type Admission,
  type Endpoint,
  type Exchange,
  type ListenContext,
  PolywireError,
  withPort,
} from "@polywire/core";
import { type ArrivedCall, CLOSING, type Route, refuseCall } from "./call.ts";
import { GrpcExchange } from "./exchange.ts";
import type { LinkPlace } from "./link.ts";
import { canonicalPath, type GrpcListener, type ListenerParts, refusalOf } from "./listener.ts";
import { readMetadata } from "./metadata.ts";
import { CallPeer } from "./peer.ts";
import type { GrpcServer } from "./server.ts";
import { codeOfError, codeOfHttp, GRPC_STATUS } from "./status.ts";
import { answerTraits } from "./traits.ts";
import { UnaryRequest } from "./unary-request.ts";

/** A path, or everything below one, whose calls are unary requests. */
export class GrpcExchangeListener implements GrpcListener, Route {
  readonly endpoint: Endpoint;
  readonly server: Http2Server;
  readonly carries = "exchanges";
  readonly #serve: (exchange: Exchange) => void;
  readonly #server: GrpcServer;
  readonly #context: ListenContext;
  readonly #place: LinkPlace;
  readonly #path: string;
  readonly #answerTimeoutMs: number;
  #calls = 0;
  #isClosed = false;

  constructor(endpoint: Endpoint, serve: (exchange: Exchange) => void, { server, options, context }: ListenerParts) {
    const { clock, limits, logger, turn } = context;
    this.endpoint = server.port === undefined ? endpoint : withPort(endpoint, server.port);
    this.#serve = serve;
    this.#server = server;
    this.server = server.server;
    this.#context = context;
    this.#place = { traits: answerTraits(limits), limits, clock, logger, turn, isServer: true };
    this.#path = canonicalPath(endpoint.path);
    this.#answerTimeoutMs = options.answerTimeoutMs;
    server.add(this.#path, this, this.endpoint);
  }

  take(call: ArrivedCall): void {
    if (this.#calls >= this.#context.limits.maxLinks) {
      this.#context.turnedAway("full");
      return refuseCall(call.stream, { code: codeOfHttp(503), message: "too many calls", status: 503 });
    }
    const { path, query, headers, stream } = call;
    const peer = new CallPeer(call.peer, { path, query, headers: readMetadata(headers) });
    const underWay = new UnderWay(call, this.#context, this.#answerTimeoutMs);
    this.#calls++;
    stream.once("close", () => {
      this.#calls--;
      underWay.gone();
    });
    const verdict = this.#context.admit(peer);
    if (verdict instanceof Promise) void verdict.then((given) => this.#judged(underWay, peer, given));
    else this.#judged(underWay, peer, verdict);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#server.remove(this.#path);
    return Promise.resolve();
  }

  #judged(underWay: UnderWay, peer: CallPeer, verdict: Admission): void {
    const { stream } = underWay.call;
    if (stream.destroyed || stream.closed) return;
    if (this.#isClosed) return refuseCall(stream, CLOSING);
    if (!verdict.accepted) return refuseCall(stream, refusalOf(verdict));
    const { maxMessageBytes } = this.#context.limits;
    new UnaryRequest(underWay.call, maxMessageBytes, {
      arrived: (message) => {
        const parts = { call: underWay.call, peer, message, context: this.#context, place: this.#place };
        const exchange = new GrpcExchange(parts);
        underWay.exchange = exchange;
        this.#serve(exchange);
      },
      failed: (error) => {
        // What the number of messages breaks is the method's shape: UNIMPLEMENTED, as other servers say.
        const isShape = error.code === "invalid-state";
        const code = isShape ? GRPC_STATUS.UNIMPLEMENTED : codeOfError(error);
        refuseCall(stream, { code, message: error.message });
      },
    });
  }
}

/** A request with its time limit: the client's deadline, or the listener's own. */
class UnderWay {
  readonly call: ArrivedCall;
  exchange: GrpcExchange | undefined = undefined;
  readonly #context: ListenContext;
  readonly #cancel: () => void;

  constructor(call: ArrivedCall, context: ListenContext, answerTimeoutMs: number) {
    this.call = call;
    this.#context = context;
    const { timeoutMs = Number.POSITIVE_INFINITY } = call;
    const answer = context.clock.setTimer(() => this.#late(answerTimeoutMs), answerTimeoutMs);
    const deadline = Number.isFinite(timeoutMs) ? context.clock.setTimer(() => this.#expired(), timeoutMs) : undefined;
    this.#cancel = () => {
      answer.cancel();
      deadline?.cancel();
    };
  }

  gone(): void {
    this.#cancel();
    this.exchange?.gone();
  }

  #expired(): void {
    const reason = "the call's deadline has passed";
    if (this.exchange === undefined)
      refuseCall(this.call.stream, { code: GRPC_STATUS.DEADLINE_EXCEEDED, message: reason });
    else this.exchange.expire(reason);
  }

  #late(answerTimeoutMs: number): void {
    if (this.exchange === undefined) {
      const message = `the request did not arrive within ${answerTimeoutMs} ms`;
      refuseCall(this.call.stream, { code: GRPC_STATUS.DEADLINE_EXCEEDED, message, status: 408 });
    } else if (!this.exchange.isAnswered) {
      const { path } = this.call;
      const error = new PolywireError("timed-out", `nobody answered "${path}" within ${answerTimeoutMs} ms`);
      this.#context.logger.log("error", "grpc", "a request was not answered in time", { error });
      this.exchange.respond({ status: 503 });
    }
  }
}
