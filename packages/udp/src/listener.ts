import {
  type Admission,
  Cancellation,
  type Endpoint,
  type ListenContext,
  type Listener,
  type Peer,
  PolywireError,
  unlessAborted,
  withPort,
} from "@polywire/core";
import { refusePacket, welcomePacket } from "./answers.ts";
import type { Conversation, HeaderDoor } from "./connections.ts";
import type { UdpDrops } from "./drops.ts";
import type { HeaderLink } from "./header-link.ts";
import type { Hello } from "./hello.ts";
import type { CompleteListenOptions } from "./options.ts";
import { arrivingPeer, keptPeer, type Source } from "./peer.ts";
import { ReliableLink } from "./reliable-link.ts";
import { SequencedLink } from "./sequenced-link.ts";
import type { UdpServer } from "./server.ts";
import { traitsFor } from "./settings.ts";
import { SharedWay } from "./way.ts";

/** What a listener's socket tells of itself. */
export interface UdpServerView {
  /** Datagrams that were dropped, by reason; counted from when the socket was bound. */
  readonly drops: Readonly<UdpDrops>;
  /**
   * Fulfilled when the socket is closed and its port is free for other networks and programs: the listeners are closed and
   * no link needs the socket any more. One with a header needs it for 1 s after its end, to answer late datagrams.
   */
  readonly closed: Promise<void>;
}

/** A listener, with the socket that it may share with one of another mode. */
export interface UdpListener extends Listener {
  readonly server: UdpServerView;
}

/** How long a refusal or a finished conversation is remembered, for datagrams that were sent before it was heard of. */
const MEMORY_MS = 1_000;

/** Judges peers that dial in `sequenced` or `reliable` mode and turns them into links. */
export class HeaderListener implements UdpListener, HeaderDoor {
  readonly endpoint: Endpoint;
  readonly server: UdpServerView;
  readonly #accept: (link: HeaderLink) => void;
  readonly #context: ListenContext;
  readonly #options: CompleteListenOptions;
  readonly #server: UdpServer;
  readonly #handshakes = new Set<Cancellation>();
  #links = 0;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    accept: (link: HeaderLink) => void,
    parts: { readonly context: ListenContext; readonly options: CompleteListenOptions; readonly server: UdpServer },
  ) {
    this.endpoint = withPort(endpoint, parts.server.port);
    this.#accept = accept;
    this.#context = parts.context;
    this.#options = parts.options;
    this.#server = parts.server;
    this.server = parts.server;
    parts.server.addDoor(parts.options.mode, this.endpoint);
    parts.server.connections.addDoor(parts.options.mode, this);
  }

  knock(hello: Hello, from: Source): void {
    const { maxLinks, maxHandshakes } = this.#context.limits;
    const most = Math.min(maxLinks, this.#options.maxPeers);
    const isFull = this.#links + this.#handshakes.size >= most;
    if (isFull || this.#handshakes.size >= maxHandshakes) {
      this.#context.turnedAway(isFull ? "full" : "busy");
      return this.#refuse(hello, from, [503, isFull ? "too many links" : "too many handshakes"]);
    }
    const peer = arrivingPeer(from, hello.request);
    const verdict = this.#context.admit(peer);
    if (verdict instanceof Promise) void this.#wait(verdict, hello, peer);
    else this.#judged(verdict, hello, peer);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#server.connections.removeDoor(this.#options.mode);
      for (const handshake of this.#handshakes) handshake.abort(new PolywireError("closed", "closing"));
    }
    return this.#server.removeDoor(this.#options.mode);
  }

  async #wait(verdict: Promise<Admission>, hello: Hello, peer: Peer): Promise<void> {
    const { clock, limits } = this.#context;
    const { connections } = this.#server;
    const from = sourceOf(peer);
    const purpose = `handshake on "${this.endpoint}"`;
    const handshake = new Cancellation({ clock, timeoutMs: limits.handshakeTimeoutMs, purpose });
    let isAbandoned = false;
    const waiting: Conversation = {
      from,
      repeat() {},
      abandoned() {
        isAbandoned = true;
        handshake.abort(new PolywireError("aborted", "the peer has given up"));
      },
    };
    this.#handshakes.add(handshake);
    connections.add(hello.id, waiting);
    const end = (): void => {
      this.#handshakes.delete(handshake);
      handshake.release();
      connections.remove(hello.id, waiting);
    };
    try {
      const admission = await unlessAborted(verdict, handshake.signal);
      end();
      this.#judged(admission, hello, peer);
    } catch {
      end();
      if (!isAbandoned) this.#refuse(hello, from, [503, this.#isClosed ? "closing" : "not judged in time"]);
    }
  }

  #judged(admission: Admission, hello: Hello, peer: Peer): void {
    const from = sourceOf(peer);
    if (this.#isClosed) return this.#refuse(hello, from, [503, "closing"]);
    if (!admission.accepted) return this.#refuse(hello, from, [admission.status, admission.reason]);
    const { subprotocol } = admission;
    if (subprotocol !== undefined && !hello.request.subprotocols.includes(subprotocol)) {
      this.#context.logger.log("error", "udp", "admission chose a subprotocol that was not offered", { subprotocol });
      return this.#refuse(hello, from, [500, "no common subprotocol"]);
    }
    this.#establish(hello, from, keptPeer(peer, admission));
  }

  #establish(hello: Hello, from: Source, peer: Peer): void {
    const { limits } = this.#context;
    const { mode, maxDatagramBytes } = this.#options;
    const server = this.#server;
    const { connections } = server;
    const datagramBytes = Math.min(maxDatagramBytes, hello.maxDatagramBytes);
    const ids = { own: connections.newId(), peer: hello.id, datagramBytes };
    const { subprotocol } = peer;
    const welcome = welcomePacket(hello.id, { id: ids.own, maxDatagramBytes, subprotocol });
    const place = {
      traits: traitsFor(mode, datagramBytes, limits),
      peer,
      host: this.#context,
      options: this.#options,
      way: new SharedWay(server.socket, this.#context, from),
      reassembly: server.reassembly,
      dropped: server.dropped.bind(server),
      gone: () => {
        this.#links--;
        server.rest();
      },
      forgotten: () => {
        connections.removeLink(link);
        connections.remove(hello.id, conversation);
        server.letGoRested();
      },
    };
    const link = mode === "reliable" ? new ReliableLink(place, ids) : new SequencedLink(place, ids);
    const conversation: Conversation = {
      from,
      repeat: () => {
        if (!link.isOver) server.answer(welcome, from);
      },
      abandoned: () => link.unknownToPeer(new PolywireError("connection-reset", "the peer knows nothing of the link")),
    };
    this.#links++;
    server.hold();
    connections.addLink(link, from);
    connections.add(hello.id, conversation);
    server.answer(welcome, from);
    link.arm();
    this.#accept(link);
  }

  /** The peer's address is proven by now, so it may hear why; also if it did not hear the first time. */
  #refuse(hello: Hello, from: Source, [status, reason]: readonly [number, string]): void {
    const { connections } = this.#server;
    const answer = refusePacket(hello.id, status, reason);
    this.#server.dropped("refused");
    this.#server.answer(answer, from);
    const refused: Conversation = { from, repeat: () => this.#server.answer(answer, from), abandoned() {} };
    connections.add(hello.id, refused);
    this.#context.clock.setTimer(() => connections.remove(hello.id, refused), MEMORY_MS);
  }
}

function sourceOf({ address = "", port = 0 }: Peer): Source {
  return { address, port };
}
