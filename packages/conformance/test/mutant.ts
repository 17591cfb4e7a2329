import type {
  AnyProtocol,
  CloseReason,
  DialContext,
  Endpoint,
  Exchange,
  Exchanger,
  Framing,
  HalfClosable,
  Link,
  ListenContext,
  Listener,
  Payload,
  Peer,
  Pingable,
  Prepared,
  Refusal,
  Request,
  RequestOptions,
  Response,
  SendResult,
  Sink,
  Traits,
} from "@polywire/core";
import { memory } from "@polywire/core/memory";
import type { Subject } from "../src/index.ts";

type FullLink = Link & HalfClosable & Pingable;

/** A link with one fault planted: whatever a subclass does not override goes straight through. */
export class MutantLink implements Link, HalfClosable, Pingable {
  readonly inner: FullLink;

  constructor(inner: Link) {
    this.inner = inner as FullLink;
  }

  get traits(): Traits {
    return this.inner.traits;
  }

  get peer(): Peer {
    return this.inner.peer;
  }

  get framing(): Framing | undefined {
    return this.inner.framing;
  }

  get refusal(): Refusal | undefined {
    return this.inner.refusal;
  }

  get bufferedBytes(): number {
    return this.inner.bufferedBytes;
  }

  open(sink: Sink): void {
    this.inner.open(typeof sink?.message === "function" ? this.sink(sink) : sink);
  }

  /** What the inner link delivers to; a subclass puts itself between. */
  sink(sink: Sink): Sink {
    return sink;
  }

  send(payload: Payload | Prepared): SendResult {
    return this.inner.send(payload);
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  close(reason?: CloseReason): void {
    this.inner.close(reason);
  }

  end(): void {
    this.inner.end();
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    this.inner.ping(done);
  }
}

/** A sink that passes everything on but what is overridden. */
export function between(sink: Sink, overrides: Partial<Sink>): Sink {
  return {
    message: (payload) => sink.message(payload),
    drain: () => sink.drain?.(),
    ended: () => (sink.ended === undefined ? false : sink.ended()),
    closed: (info) => sink.closed(info),
    ...overrides,
  };
}

/** Where a fault can be planted. Everything absent works as it should. */
export interface Fault {
  readonly kind?: "message" | "datagram";
  /** What the subject says leads to a dial without trust. */
  readonly untrusting?: Readonly<Record<string, unknown>>;
  readonly link?: (link: Link) => Link;
  readonly traits?: (traits: Traits) => Traits;
  readonly dialContext?: (context: DialContext) => DialContext;
  readonly listenContext?: (context: ListenContext) => ListenContext;
  readonly dial?: (dial: () => Promise<Link>, context: DialContext) => Promise<Link>;
  readonly open?: () => Promise<never>;
  readonly listener?: (listener: Listener, accepted: readonly Link[]) => Listener;
  readonly exchange?: (exchange: Exchange) => Exchange;
  readonly request?: (
    request: (request: Request, options?: RequestOptions) => Promise<Response>,
    request_: Request,
    options: RequestOptions,
  ) => Promise<Response>;
  readonly closeExchanger?: (exchanger: Exchanger) => Promise<void>;
}

/** The in-memory protocol with the fault. */
export function faulty(fault: Fault): Subject {
  return {
    protocol: () => plant(memory({ kind: fault.kind ?? "message" }), fault),
    url: "memory://conformance:0/laws",
    offering: (subprotocols) => ({ subprotocols }),
    ...(fault.untrusting === undefined ? {} : { untrusting: fault.untrusting }),
  };
}

function plant(inner: AnyProtocol, fault: Fault): AnyProtocol {
  const { links, exchanges } = inner;
  if (links?.listen === undefined || exchanges?.listen === undefined) throw new Error("memory carries both");
  const listenLinks = links.listen.bind(links);
  const listenExchanges = exchanges.listen.bind(exchanges);
  const link = fault.link ?? ((given: Link) => given);
  const dialContext = fault.dialContext ?? ((given: DialContext) => given);
  const listenContext = fault.listenContext ?? ((given: ListenContext) => given);
  const listener = fault.listener ?? ((given: Listener) => given);
  const exchange = fault.exchange ?? ((given: Exchange) => given);
  const dial = fault.dial ?? ((real: () => Promise<Link>) => real());
  return {
    ...inner,
    traits: (endpoint) => (fault.traits ?? ((given: Traits) => given))(inner.traits(endpoint)),
    links: {
      async dial(endpoint: Endpoint, context: DialContext): Promise<Link> {
        return link(await dial(() => links.dial(endpoint, dialContext(context)), context));
      },
      async listen(endpoint: Endpoint, accept: (link: Link) => void, context: ListenContext): Promise<Listener> {
        const accepted: Link[] = [];
        const take = (each: Link): void => {
          accepted.push(each);
          accept(link(each));
        };
        return listener(await listenLinks(endpoint, take, listenContext(context)), accepted);
      },
    },
    exchanges: {
      async open(endpoint: Endpoint, context: DialContext): Promise<Exchanger> {
        if (fault.open !== undefined) return fault.open();
        return new MutantExchanger(await exchanges.open(endpoint, dialContext(context)), fault);
      },
      async listen(endpoint: Endpoint, serve: (exchange: Exchange) => void, context: ListenContext): Promise<Listener> {
        const take = (each: Exchange): void => serve(exchange(each));
        return listener(await listenExchanges(endpoint, take, listenContext(context)), []);
      },
    },
  };
}

class MutantExchanger implements Exchanger {
  readonly endpoint: Endpoint;
  readonly traits: Traits;
  readonly closed: Promise<void>;
  readonly #inner: Exchanger;
  readonly #fault: Fault;

  constructor(inner: Exchanger, fault: Fault) {
    this.endpoint = inner.endpoint;
    this.traits = inner.traits;
    this.closed = inner.closed;
    this.#inner = inner;
    this.#fault = fault;
  }

  request(request: Request, options: RequestOptions = {}): Promise<Response> {
    const real = (given: Request, givenOptions?: RequestOptions): Promise<Response> =>
      this.#inner.request(given, givenOptions);
    return this.#fault.request === undefined ? real(request, options) : this.#fault.request(real, request, options);
  }

  close(): Promise<void> {
    return this.#fault.closeExchanger === undefined ? this.#inner.close() : this.#fault.closeExchanger(this.#inner);
  }
}

/** An exchange with some members replaced. */
export function exchangeWith(inner: Exchange, overrides: Partial<Exchange>): Exchange {
  const { method, path, query, headers, peer, body, signal } = inner;
  return {
    method,
    path,
    query,
    headers,
    peer,
    body,
    signal,
    respond: (head, source) => inner.respond(head, source),
    stream: (head) => inner.stream(head),
    ...overrides,
  };
}
