import type { ConnectionPlace } from "../connection/connection.ts";
import { type AcceptStep, type Intercepting, intercepted, type ServeStep } from "../connection/interceptors.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Exchange } from "../contract/exchange.ts";
import { completeLimits, type LinkLimits } from "../contract/limits.ts";
import type { Link } from "../contract/link.ts";
import type { Listener } from "../contract/listener.ts";
import type { Admission, Peer, Refused } from "../contract/peer.ts";
import type { HostContext, ListenContext } from "../contract/protocol.ts";
import type { MetricFamily } from "../metrics/family.ts";
import { ReceptionCounts } from "../metrics/reception-counts.ts";
import { AcceptedLink, type AcceptedLinkOwner } from "./accepted-link.ts";
import { type AdmissionRules, admit } from "./admit.ts";
import { canonicalOrigins } from "./origin.ts";
import { checkListener } from "./protocol-results.ts";
import type { Roster } from "./roster.ts";
import type { AnyProtocol } from "./schemes.ts";

const CLOSING: Refused = { accepted: false, status: 503, reason: "closing" };

export interface ListenOptions {
  readonly limits?: Partial<LinkLimits>;
  /**
   * Pages of these origins may connect, such as `https://example.com`, besides those of the listener's own host. Absent:
   * a handler with an `admit` of its own judges pages too, for any other handler the list is empty.
   */
  readonly origins?: readonly string[];
}

/** What serves the peers of a listener. */
export interface Handler {
  /**
   * Judges a peer before its handshake ends; a check that throws or takes over 5 s refuses. Without it everybody is
   * accepted but pages of other origins: see {@link ListenOptions.origins}.
   */
  admit?(peer: Peer): Admission | Promise<Admission>;
  /** Takes an established link. It must `open` it. `place` names its protocol and listener. */
  link?(link: Link, place: ConnectionPlace): void;
  /** Takes an exchange. It must answer it; what it rejects with is what it throws. */
  exchange?(exchange: Exchange): void | Promise<void>;
  /** Limits that this handler wants for its links; those given to `listen` win. */
  readonly limits?: Partial<LinkLimits>;
}

/** The network behind a reception. */
export interface ReceptionOwner extends AcceptedLinkOwner {
  readonly intercepting: Intercepting;
  /** Whether peers are still welcome. */
  isOpen(): boolean;
  /** Code of the program or of a plugin threw. */
  failed(error: PolywireError): void;
}

/** Where peers arrive: at the address of a protocol. */
export interface Address {
  readonly protocol: AnyProtocol;
  readonly endpoint: Endpoint;
}

/** Judges every peer that arrives at a network and hands it to its handler. */
export class Reception {
  readonly #host: HostContext;
  readonly #roster: Roster;
  readonly #owner: ReceptionOwner;
  readonly #counts = new ReceptionCounts();

  constructor(host: HostContext, roster: Roster, owner: ReceptionOwner) {
    this.#host = host;
    this.#roster = roster;
    this.#owner = owner;
  }

  /**
   * Listens for links, exchanges or both, as the handler takes them.
   *
   * @throws PolywireError, whatever the protocol threw.
   */
  async bind(address: Address, handler: Handler, { limits, origins }: ListenOptions): Promise<Listener> {
    const { protocol, endpoint } = address;
    const { links, exchanges } = protocol;
    const rules: AdmissionRules = {
      check: handler.admit?.bind(handler),
      origins: origins && canonicalOrigins(origins),
      keepHeaders: this.#owner.intercepting.interceptors.flatMap((interceptor) => interceptor.keepHeaders ?? []),
      clock: this.#host.clock,
      report: (error) => this.#owner.failed(error),
    };
    const context: ListenContext = {
      ...this.#host,
      limits: completeLimits({ ...handler.limits, ...limits }, this.#host.limits),
      turnedAway: (cause) => this.#counts.turnedAway(protocol.name, cause),
      admit: (peer) => this.#counts.judged(protocol.name, this.#owner.isOpen() ? admit(peer, rules) : CLOSING),
    };
    const bound: Listener[] = [];
    try {
      if (handler.link !== undefined && links?.listen !== undefined) {
        const handle = intercepted<AcceptStep>("accept", this.#owner.intercepting, (link, place) =>
          handler.link?.(link, place),
        );
        const accept = (link: Link): void => this.#accept(link, handle, address);
        bound.push(checkListener(await links.listen(endpoint, accept, context), protocol));
      }
      if (handler.exchange !== undefined && exchanges?.listen !== undefined) {
        // A handler of both has both at one address: the port that the first was given.
        const handle = intercepted<ServeStep>("serve", this.#owner.intercepting, (exchange) =>
          handler.exchange?.(exchange),
        );
        const serve = (exchange: Exchange): void => this.#serve(exchange, handle, address);
        const place = bound[0]?.endpoint ?? endpoint;
        bound.push(checkListener(await exchanges.listen(place, serve, context), protocol));
      }
    } catch (thrown) {
      for (const listener of bound) await listener.close();
      throw PolywireError.from(thrown, "internal", `listen on "${endpoint}"`);
    }
    const [first] = bound;
    if (first !== undefined) {
      const { endpoint: boundTo, server } = first;
      return { endpoint: boundTo, server, close: () => closeListeners(bound) };
    }
    const takes = handler.link === undefined ? "exchanges" : "links";
    throw new PolywireError(
      "unsupported",
      `cannot listen on "${endpoint}": the handler takes ${takes}, ${protocol.name} has none`,
    );
  }

  metrics(): readonly MetricFamily[] {
    return this.#counts.families();
  }

  #accept(link: Link, handle: AcceptStep, { protocol, endpoint }: Address): void {
    const place = this.#roster.place(protocol.name, endpoint);
    const accepted = new AcceptedLink(link, this.#owner, place);
    this.#roster.accepted(accepted);
    const failed = (thrown: unknown): void => {
      this.#owner.failed(PolywireError.from(thrown, "internal", `the handler of "${endpoint}" threw`));
      accepted.abandon();
    };
    if (this.#owner.isOpen()) callGuarded(() => handle(accepted, place), failed);
    else accepted.abandon();
  }

  #serve(exchange: Exchange, handle: ServeStep, { protocol, endpoint }: Address): void {
    this.#counts.requested(protocol.name);
    callGuarded(
      () => handle(exchange, { protocol: protocol.name, endpoint }),
      (thrown) => {
        this.#owner.failed(PolywireError.from(thrown, "internal", `the handler of "${exchange.path}" threw`));
        try {
          exchange.respond({ status: 500 });
        } catch {
          // It was answered before the handler threw.
        }
      },
    );
  }
}

/** Calls program code; what it throws and what it rejects with are the same. */
function callGuarded(call: () => unknown, failed: (thrown: unknown) => void): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(failed);
  } catch (thrown) {
    failed(thrown);
  }
}

async function closeListeners(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
