import type { RemoteInfo } from "node:dgram";
import { type Admission, type Endpoint, type ListenContext, PolywireError, type Timer, withPort } from "@polywire/core";
import type { UdpListener, UdpServerView } from "./listener.ts";
import type { CompleteListenOptions } from "./options.ts";
import { plainPeer } from "./peer.ts";
import { PlainLink } from "./plain-link.ts";
import { Recency } from "./recency.ts";
import type { PlainDoor, UdpServer } from "./server.ts";
import { traitsFor } from "./settings.ts";
import { SharedWay } from "./way.ts";

/** Datagrams that wait for the verdict on their peer. */
const MAX_EARLY = 16;

/** An address that datagrams come from. */
interface PlainPeer {
  readonly address: string;
  readonly port: number;
  heardAtMs: number;
  /** Undefined before the verdict, and for good if it is a refusal. */
  link: PlainLink | undefined;
  isRefused: boolean;
  early: Buffer[];
}

/** Turns addresses into links: the first datagram of each is judged. */
export class PlainListener implements UdpListener, PlainDoor {
  readonly endpoint: Endpoint;
  readonly server: UdpServerView;
  readonly #accept: (link: PlainLink) => void;
  readonly #context: ListenContext;
  readonly #options: CompleteListenOptions;
  readonly #server: UdpServer;
  /** By address, then by port: no string is made for a datagram. */
  readonly #peers = new Map<string, Map<number, PlainPeer>>();
  readonly #recency = new Recency<PlainPeer>();
  #sweep: Timer | undefined = undefined;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    accept: (link: PlainLink) => void,
    parts: { readonly context: ListenContext; readonly options: CompleteListenOptions; readonly server: UdpServer },
  ) {
    this.endpoint = withPort(endpoint, parts.server.port);
    this.#accept = accept;
    this.#context = parts.context;
    this.#options = parts.options;
    this.#server = parts.server;
    this.server = parts.server;
    this.#join();
    parts.server.addDoor("plain", this.endpoint, this);
  }

  arrived(datagram: Buffer, { address, port }: RemoteInfo, nowMs: number): void {
    const latest = this.#recency.newest;
    const peer = latest?.port === port && latest.address === address ? latest : this.#find(address, port);
    peer.heardAtMs = nowMs;
    this.#recency.touch(peer);
    if (peer.link !== undefined) return peer.link.arrived(datagram);
    // A refused peer stays so until it has been silent: it must not keep admission busy.
    if (peer.isRefused) return this.#server.dropped("refused");
    if (peer.early.length >= MAX_EARLY) return this.#server.dropped("notAdmittedYet");
    peer.early.push(datagram);
    if (peer.early.length === 1) this.#judge(peer);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const ports of this.#peers.values()) {
        for (const peer of ports.values()) if (peer.link === undefined) this.#forget(peer);
      }
    }
    return this.#server.removeDoor("plain");
  }

  #join(): void {
    const { multicast } = this.#options;
    if (multicast === undefined) return;
    try {
      this.#server.socket.addMembership(multicast.group, multicast.interface);
    } catch (thrown) {
      this.#server.hold();
      this.#server.letGo();
      throw PolywireError.from(thrown, "invalid-argument", `join the group ${multicast.group} on "${this.endpoint}"`);
    }
  }

  #find(address: string, port: number): PlainPeer {
    return this.#peers.get(address)?.get(port) ?? this.#add(address, port);
  }

  #add(address: string, port: number): PlainPeer {
    const { clock, limits } = this.#context;
    if (this.#recency.size >= Math.min(this.#options.maxPeers, limits.maxLinks)) this.#evict();
    const peer: PlainPeer = { address, port, heardAtMs: clock.now(), link: undefined, isRefused: false, early: [] };
    const ports = this.#peers.get(address);
    if (ports === undefined) this.#peers.set(address, new Map([[port, peer]]));
    else ports.set(port, peer);
    this.#recency.touch(peer);
    this.#sweepLater();
    return peer;
  }

  /** The peer that was silent the longest makes room. */
  #evict(): void {
    const { oldest } = this.#recency;
    if (oldest === undefined) return;
    this.#server.dropped("full");
    this.#forget(oldest);
    oldest.link?.evict("limit-reached", "another peer took this one's place: maxPeers were known");
  }

  #judge(peer: PlainPeer): void {
    const verdict = this.#context.admit(plainPeer(peer));
    if (verdict instanceof Promise) void verdict.then((admission) => this.#judged(peer, admission));
    else this.#judged(peer, verdict);
  }

  #judged(peer: PlainPeer, { accepted }: Admission): void {
    const early = peer.early;
    peer.early = [];
    if (this.#isClosed || this.#peers.get(peer.address)?.get(peer.port) !== peer) return;
    if (!accepted) {
      peer.isRefused = true;
      for (const _ of early) this.#server.dropped("refused");
      return;
    }
    const link = this.#link(peer);
    peer.link = link;
    this.#accept(link);
    for (const datagram of early) link.arrived(datagram);
  }

  #link(peer: PlainPeer): PlainLink {
    const { maxDatagramBytes } = this.#options;
    const server = this.#server;
    server.hold();
    return new PlainLink(
      {
        traits: traitsFor("plain", maxDatagramBytes, this.#context.limits),
        peer: plainPeer(peer),
        host: this.#context,
        options: this.#options,
        way: new SharedWay(server.socket, this.#context, peer),
        dropped: (reason) => server.dropped(reason),
        gone: () => this.#forget(peer),
        forgotten: () => server.letGo(),
      },
      false,
    );
  }

  #forget(peer: PlainPeer): void {
    const ports = this.#peers.get(peer.address);
    if (ports?.get(peer.port) !== peer) return;
    ports.delete(peer.port);
    if (ports.size === 0) this.#peers.delete(peer.address);
    this.#recency.remove(peer);
    if (this.#recency.size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  #sweepLater(): void {
    this.#sweep ??= this.#context.clock.setTimer(() => {
      this.#sweep = undefined;
      this.#expire();
      if (this.#recency.size > 0) this.#sweepLater();
    }, this.#options.idleTimeoutMs / 4);
  }

  #expire(): void {
    const { idleTimeoutMs } = this.#options;
    const silentSinceMs = this.#context.clock.now() - idleTimeoutMs;
    for (let peer = this.#recency.oldest; peer !== undefined && peer.heardAtMs <= silentSinceMs; ) {
      this.#forget(peer);
      peer.link?.evict("timed-out", `nothing came from the peer for ${idleTimeoutMs} ms`);
      peer = this.#recency.oldest;
    }
  }
}
