import type { IncomingMessage, Server, ServerResponse } from "node:http";
import {
  type Admission,
  type Endpoint,
  type Exchange,
  type ListenContext,
  type Listener,
  PolywireError,
  withPort,
} from "@polywire/core";
import { type ExchangePlace, HttpExchange, hasBody } from "./exchange.ts";
import type { CompleteListenOptions } from "./options.ts";
import { RequestPeer } from "./peer.ts";
import { type Door, type RequestServer, refuse } from "./server.ts";
import { singleSlashes, type Target } from "./target.ts";

/** A listener whose server other protocols can share: `ws` takes it as its option `server`. */
export interface HttpListener extends Listener {
  readonly server: Server;
}

interface Arrived {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** One path of one server, with everything below it where it ends in a slash. */
export class RequestListener implements HttpListener, Door {
  readonly endpoint: Endpoint;
  readonly #serve: (exchange: Exchange) => void;
  readonly #context: ListenContext;
  readonly #requests: RequestServer;
  readonly #path: string;
  readonly #place: ExchangePlace;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    serve: (exchange: Exchange) => void,
    { context, options, requests }: { context: ListenContext; options: CompleteListenOptions; requests: RequestServer },
  ) {
    const { clock, limits, logger, turn } = context;
    const { maxBodyBytes, answerTimeoutMs } = options;
    this.endpoint = requests.port === undefined ? endpoint : withPort(endpoint, requests.port);
    this.#serve = serve;
    this.#context = context;
    this.#requests = requests;
    this.#path = endpoint.path === "" ? "/" : singleSlashes(endpoint.path);
    const isClosing = (): boolean => requests.isClosing;
    this.#place = { clock, limits, logger, turn, maxBodyBytes, answerTimeoutMs, isClosing };
    requests.add(this.#path, this, this.endpoint);
  }

  get server(): Server {
    return this.#requests.server;
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#requests.remove(this.#path);
    }
    return Promise.resolve();
  }

  request({ request, response }: Arrived, target: Target, proceed: (() => void) | undefined): void {
    const { maxBodyBytes } = this.#place;
    const length = Number(request.headers["content-length"] ?? 0);
    // Before anything of it is read.
    if (length > maxBodyBytes) {
      return refuse(request, response, { status: 413, reason: `the body is over ${maxBodyBytes} bytes` });
    }
    const peer = new RequestPeer(request, target);
    const answer = (verdict: Admission): void => {
      if (response.destroyed) return;
      if (!verdict.accepted) return refuse(request, response, verdict);
      const isExpected = proceed !== undefined && hasBody(request);
      this.#hand(
        new HttpExchange({ request, response }, peer, {
          place: this.#place,
          proceed: isExpected ? proceed : undefined,
        }),
      );
    };
    const verdict = this.#context.admit(peer);
    if (verdict instanceof Promise) void verdict.then(answer);
    else answer(verdict);
  }

  #hand(exchange: HttpExchange): void {
    try {
      this.#serve(exchange);
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", `serve "${exchange.path}"`);
      this.#context.logger.log("error", "http", "an exchange could not be handed over", { error });
      exchange.signal.throwIfAborted();
    }
  }
}
