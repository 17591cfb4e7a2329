import { randomBytes } from "node:crypto";
import type { RemoteInfo } from "node:dgram";
import type { Clock } from "@polywire/core";
import { cookiePacket } from "./answers.ts";
import { Cookies } from "./cookie.ts";
import type { DropReason } from "./drops.ts";
import type { HeaderLink } from "./header-link.ts";
import { type Hello, readHello } from "./hello.ts";
import type { UdpMode } from "./options.ts";
import { type ConnectionId, hasId, idOf, malformed, packet, TYPE, typeOf } from "./packet.ts";
import type { Source } from "./peer.ts";
import { Rate } from "./rate.ts";

/** Answers to datagrams of unknown connections, for all sources together. */
const UNKNOWN_PER_SECOND = 1_000;

/** What the peers of one mode knock at: a listener. */
export interface HeaderDoor {
  /** The peer's address is its own. */
  knock(hello: Hello, from: Source): void;
}

/** A handshake that waits for its verdict, or a link. */
export interface Conversation {
  readonly from: Source;
  /** The handshake was lost on the way: answers it again. */
  repeat(): void;
  /** The peer has given it up. */
  abandoned(): void;
}

/** Where datagrams that belong to no link are answered and counted. */
export interface ConnectionsOwner {
  answer(datagram: Buffer, to: Source): void;
  dropped(reason: DropReason): void;
}

interface PlacedLink {
  readonly link: HeaderLink;
  readonly from: Source;
}

/** The conversations of one socket: by the id that its datagrams carry, and by where they come from. */
export class Connections {
  readonly #clock: Clock;
  readonly #owner: ConnectionsOwner;
  readonly #cookies: Cookies;
  readonly #unknown: Rate;
  readonly #doors = new Map<UdpMode, HeaderDoor>();
  /** By the lower half of the id that we gave: the upper is compared. */
  readonly #links = new Map<number, PlacedLink>();
  /** By address, port and the id that the peer gave. */
  readonly #conversations = new Map<string, Conversation>();

  constructor(clock: Clock, owner: ConnectionsOwner) {
    this.#owner = owner;
    this.#cookies = new Cookies(clock);
    this.#clock = clock;
    this.#unknown = new Rate(UNKNOWN_PER_SECOND);
  }

  /** Datagrams with a header are expected here. */
  get isServing(): boolean {
    return this.#doors.size > 0 || this.#links.size > 0;
  }

  /** Links and handshakes that are remembered. */
  get size(): number {
    return this.#links.size + this.#conversations.size;
  }

  addDoor(mode: UdpMode, door: HeaderDoor): void {
    this.#doors.set(mode, door);
  }

  removeDoor(mode: UdpMode): void {
    this.#doors.delete(mode);
  }

  /** An id that no link has. */
  newId(): ConnectionId {
    for (;;) {
      const bytes = randomBytes(8);
      const id = { high: bytes.readUInt32BE(0), low: bytes.readUInt32BE(4) };
      if (!this.#links.has(id.low)) return id;
    }
  }

  addLink(link: HeaderLink, from: Source): void {
    this.#links.set(link.ids.own.low, { link, from });
  }

  removeLink({ ids }: HeaderLink): void {
    this.#links.delete(ids.own.low);
  }

  add(id: ConnectionId, conversation: Conversation): void {
    this.#conversations.set(claimOf(conversation.from, id), conversation);
  }

  remove(id: ConnectionId, conversation: Conversation): void {
    const claim = claimOf(conversation.from, id);
    if (this.#conversations.get(claim) === conversation) this.#conversations.delete(claim);
  }

  /** Hands the datagram to its link; false if there is none for it. */
  arrivedForLink(datagram: Buffer, from: RemoteInfo): boolean {
    if (malformed(datagram) !== undefined || typeOf(datagram) === TYPE.unknown) return false;
    const placed = this.#links.get(datagram.readUInt32BE(6));
    if (placed === undefined || !hasId(datagram, placed.link.ids.own)) return false;
    if (placed.from.port !== from.port || placed.from.address !== from.address) this.#owner.dropped("wrongAddress");
    else placed.link.arrived(datagram);
    return true;
  }

  /** A datagram that belongs to no link. */
  arrived(datagram: Buffer, from: RemoteInfo): void {
    const fault = malformed(datagram);
    if (fault !== undefined) return this.#owner.dropped(fault);
    switch (typeOf(datagram)) {
      case TYPE.hello:
        return this.#hello(datagram, from);
      case TYPE.unknown:
        return this.#unknownToPeer(datagram, from);
      case TYPE.data:
      case TYPE.ack:
      case TYPE.ping:
      case TYPE.fin:
        this.#owner.dropped("unknownConnection");
        if (this.#unknown.allows("", this.#clock.now())) {
          this.#owner.answer(packet(TYPE.unknown, idOf(datagram), 0), from);
        }
        return;
      default:
        return this.#owner.dropped("unknownConnection");
    }
  }

  #hello(datagram: Buffer, from: RemoteInfo): void {
    const hello = readHello(datagram);
    if (hello === undefined) return this.#owner.dropped("badHello");
    const claim = claimOf(from, hello.id);
    const door = this.#doors.get(hello.mode);
    // Nobody listens in this mode, which a dial takes as a refused connection.
    if (door === undefined) {
      this.#owner.dropped("noListener");
      return this.#owner.answer(packet(TYPE.unknown, hello.id, 0), from);
    }
    if (hello.cookie.length === 0) {
      const answer = cookiePacket(hello.id, this.#cookies.bake(claim));
      // No answer is larger than its question: the address may be forged.
      if (answer.length > datagram.length) return this.#owner.dropped("badHello");
      return this.#owner.answer(answer, from);
    }
    const verdict = this.#cookies.check(hello.cookie, claim);
    if (verdict !== "good") return this.#owner.dropped(verdict === "bad" ? "badCookie" : "expiredCookie");
    const conversation = this.#conversations.get(claim);
    if (conversation !== undefined) conversation.repeat();
    else door.knock(hello, { address: from.address, port: from.port });
  }

  #unknownToPeer(datagram: Buffer, from: RemoteInfo): void {
    const conversation = this.#conversations.get(claimOf(from, idOf(datagram)));
    if (conversation === undefined) this.#owner.dropped("unknownConnection");
    else conversation.abandoned();
  }
}

/** What a cookie is for, and what a conversation is known by before its link exists. */
function claimOf({ address, port }: Source, { high, low }: ConnectionId): string {
  return `${address} ${port} ${high.toString(16)} ${low.toString(16)}`;
}
