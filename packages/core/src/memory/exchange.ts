import { PolywireError } from "../contract/error.ts";
import type { Body, BodySource, Exchange, Headers, ResponseHead } from "../contract/exchange.ts";
import type { Link } from "../contract/link.ts";
import type { Peer } from "../contract/peer.ts";
import { keepSource } from "./body.ts";
import type { MemoryLink } from "./link.ts";

/** What the serving side sees of a request. */
export interface MemoryRequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
  readonly peer: Peer;
  readonly body: Body;
  readonly signal: AbortSignal;
}

interface MemoryAnswer {
  readonly head: ResponseHead;
  readonly body: BodySource;
}

/** Where the answer goes. */
export interface MemoryAsker {
  answered(answer: MemoryAnswer): void;
  /** Both ends of a link that carries the answer's body. */
  streamLinks(): { readonly asking: MemoryLink; readonly serving: MemoryLink };
  streamed(head: ResponseHead, asking: MemoryLink): void;
}

/** One request within the process, as the serving side holds it. */
export class MemoryExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
  readonly peer: Peer;
  readonly body: Body;
  readonly signal: AbortSignal;
  readonly #asker: MemoryAsker;
  #isAnswered = false;

  constructor(request: MemoryRequestHead, asker: MemoryAsker) {
    this.method = request.method;
    this.path = request.path;
    this.query = request.query;
    this.headers = request.headers;
    this.peer = request.peer;
    this.body = request.body;
    this.signal = request.signal;
    this.#asker = asker;
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  respond(head: ResponseHead, body?: BodySource): void {
    const source = keepSource(body);
    this.#answer(head);
    this.#asker.answered({ head, body: source });
  }

  stream(head: ResponseHead): Link {
    this.#answer(head);
    const { asking, serving } = this.#asker.streamLinks();
    this.#asker.streamed(head, asking);
    return serving;
  }

  #answer({ status }: ResponseHead): void {
    if (!Number.isInteger(status) || status < 100 || status > 599)
      throw new PolywireError("invalid-argument", `status is ${String(status)}: give an integer from 100 to 599`);
    if (this.#isAnswered)
      throw new PolywireError("invalid-state", `"${this.path}" was answered already: answer an exchange once`);
    this.#isAnswered = true;
  }
}
