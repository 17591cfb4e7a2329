import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Listener } from "../contract/listener.ts";
import { type Accepted, type Admission, keptHeaders, type Peer } from "../contract/peer.ts";
import type { ListenContext } from "../contract/protocol.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import type { MemoryAddresses } from "./addresses.ts";
import { MemoryLink, type MemoryLinkEnd, type MemoryWire } from "./link.ts";

export interface MemoryListenerOptions {
  readonly addresses: MemoryAddresses<MemoryListener>;
  readonly accept: (link: MemoryLink) => void;
  readonly context: ListenContext;
}

/** A name within the process at which links can be dialled. */
export class MemoryListener implements Listener {
  readonly endpoint: Endpoint;
  readonly #addresses: MemoryAddresses<MemoryListener>;
  readonly #accept: (link: MemoryLink) => void;
  readonly #context: ListenContext;
  readonly #handshakes = new Set<Cancellation>();
  #links = 0;

  constructor(endpoint: Endpoint, { addresses, accept, context }: MemoryListenerOptions) {
    this.#addresses = addresses;
    this.#accept = accept;
    this.#context = context;
    this.endpoint = addresses.bind(endpoint, this);
  }

  /** Judges the peer. @throws PolywireError `handshake-failed` for a refusal, or the signal's reason. */
  async handshake(peer: Peer, signal: AbortSignal): Promise<Accepted> {
    const { clock, limits } = this.#context;
    const purpose = `handshake with "${this.endpoint}"`;
    const isFull = this.#links + this.#handshakes.size >= limits.maxLinks;
    if (isFull || this.#handshakes.size >= limits.maxHandshakes) {
      this.#context.turnedAway(isFull ? "full" : "busy");
      throw refused(this.endpoint, 503, "too many links");
    }
    const handshake = new Cancellation({ clock, signal, timeoutMs: limits.handshakeTimeoutMs, purpose });
    this.#handshakes.add(handshake);
    try {
      const verdict = this.#context.admit(peer);
      const admission = verdict instanceof Promise ? await unlessAborted(verdict, handshake.signal) : verdict;
      return this.#judged(admission, peer);
    } finally {
      this.#handshakes.delete(handshake);
      handshake.release();
    }
  }

  /** Hands one end of a new link to who listens and returns the other. */
  establish(
    wire: MemoryWire,
    dialler: MemoryLinkEnd,
    { peer, admission }: { peer: Peer; admission: Accepted },
  ): MemoryLink {
    const listening = { host: this.#context, peer: establishedPeer(peer, admission) };
    const [theirs, ours] = MemoryLink.pair(wire, dialler, listening);
    this.#links++;
    ours.whenClosed(() => this.#links--);
    this.#accept(ours);
    return theirs;
  }

  close(): Promise<void> {
    this.#addresses.free(this.endpoint, this);
    for (const handshake of this.#handshakes) handshake.abort(refused(this.endpoint, 503, "the listener was closed"));
    return Promise.resolve();
  }

  #judged(admission: Admission, peer: Peer): Accepted {
    if (!admission.accepted) throw refused(this.endpoint, admission.status, admission.reason);
    const { subprotocol } = admission;
    if (subprotocol !== undefined && peer.offeredSubprotocols?.includes(subprotocol) !== true)
      throw refused(this.endpoint, 500, `the subprotocol "${subprotocol}" was not offered`);
    return admission;
  }
}

function refused(endpoint: Endpoint, status: number, reason: string): PolywireError {
  return new PolywireError("handshake-failed", `"${endpoint}" refused the link with status ${status}: ${reason}`, {
    retryable: status === 429 || status === 503,
  });
}

/** What an idle link keeps of its peer. */
function establishedPeer(peer: Peer, { subprotocol, keepHeaders }: Accepted): Peer {
  const { headers, offeredSubprotocols: _, ...kept } = peer;
  return {
    ...kept,
    ...(subprotocol === undefined ? {} : { subprotocol }),
    headers: keptHeaders(headers, keepHeaders) ?? new Map(),
  };
}
