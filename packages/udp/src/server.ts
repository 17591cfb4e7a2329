import type { RemoteInfo, Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import {
  type Clock,
  type Endpoint,
  type Flushable,
  type HostContext,
  PolywireError,
  type SharedServer,
} from "@polywire/core";
import { Connections } from "./connections.ts";
import { type DropReason, noDrops, type UdpDrops } from "./drops.ts";
import type { CompleteListenOptions, UdpMode } from "./options.ts";
import { MAGIC } from "./packet.ts";
import { Rate } from "./rate.ts";
import { Reassembly } from "./reassembly.ts";
import { bindSocket, closeSocket, openSocket, resolveHost } from "./socket.ts";

/** What takes the datagrams without a header: a listener in plain mode. */
export interface PlainDoor {
  arrived(datagram: Buffer, from: RemoteInfo, nowMs: number): void;
}

/**
 * One bound socket, shared by a listener of each mode and by the links that they accepted. It stays until all of them
 * have gone, for the datagrams of all links pass through it.
 */
export class UdpServer implements SharedServer, Flushable {
  readonly port: number;
  readonly socket: Socket;
  readonly drops: UdpDrops = noDrops();
  /** Fulfilled when the socket is closed: from then on the address is free for everybody. */
  readonly closed: Promise<void>;
  readonly connections: Connections;
  readonly reassembly: Reassembly;
  /** Addresses that datagrams of our own would come from. */
  readonly #ownAddresses: ReadonlySet<string>;
  readonly #maxDatagramBytes: number;
  readonly #clock: Clock;
  readonly #turn: HostContext["turn"];
  readonly #rate: Rate;
  readonly #logger: HostContext["logger"];
  readonly #maxDatagramsPerSecond: number;
  readonly #closing: () => void;
  readonly #freed: () => void;
  readonly #modes = new Set<UdpMode>();
  #plain: PlainDoor | undefined = undefined;
  #users = 0;
  #resting = 0;
  #isClosed = false;
  /** The time, as it was at the turn's first datagram. */
  #turnMs = 0;
  #isTimed = false;

  private constructor(socket: Socket, context: HostContext, settings: UdpServerSettings) {
    const { address, port } = socket.address();
    this.socket = socket;
    this.port = port;
    this.#ownAddresses = ownAddresses(address);
    this.#maxDatagramBytes = settings.options.maxDatagramBytes;
    this.#clock = context.clock;
    this.#turn = context.turn;
    this.#rate = new Rate(settings.options.maxDatagramsPerSecond);
    this.#logger = context.logger;
    this.#maxDatagramsPerSecond = settings.options.maxDatagramsPerSecond;
    this.#closing = settings.closed;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#freed = resolve;
    this.reassembly = new Reassembly(context.clock, settings.options.maxReassemblyBytes);
    this.connections = new Connections(context.clock, this);
    socket.on("message", (datagram, from) => this.#arrived(datagram, from));
  }

  /** Binds the endpoint's address. */
  static async bind(endpoint: Endpoint, context: HostContext, settings: UdpServerSettings): Promise<UdpServer> {
    const { address, family } = await resolveHost(endpoint);
    const { options } = settings;
    // What the system says of a listener's socket is about one of its peers, or about none.
    const socket = openSocket(family, options, (error) => {
      context.logger.log("warn", "udp", "a socket failed", { endpoint: endpoint.display, error: error.message });
    });
    try {
      await bindSocket(socket, { port: endpoint.port ?? 0, address });
    } catch (thrown) {
      await closeSocket(socket);
      throw PolywireError.from(thrown, "internal", `listen on "${endpoint}"`);
    }
    return new UdpServer(socket, context, settings);
  }

  /** The socket is gone, or going. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws PolywireError `address-in-use` when a listener of this mode is there. */
  addDoor(mode: UdpMode, endpoint: Endpoint, plain?: PlainDoor): void {
    if (this.#modes.has(mode)) {
      throw new PolywireError("address-in-use", `"${endpoint}" is listened on in ${mode} mode already`);
    }
    this.#modes.add(mode);
    if (plain !== undefined) this.#plain = plain;
    this.hold();
  }

  /** Fulfilled when the address is free, or when other listeners or links still use it: then `closed` tells. */
  async removeDoor(mode: UdpMode): Promise<void> {
    if (this.#modes.delete(mode)) {
      if (mode === "plain") this.#plain = undefined;
      this.letGo();
    }
    if (this.#isClosed) await this.closed;
  }

  /** Someone needs the socket. */
  hold(): void {
    this.#users++;
    this.socket.ref();
  }

  /** Someone needs the socket only to answer late datagrams: the process may end without. */
  rest(): void {
    this.#resting++;
    if (this.#resting === this.#users) this.socket.unref();
  }

  /** A link that rested needs the socket no more. */
  letGoRested(): void {
    this.#resting--;
    this.letGo();
  }

  /** Someone needs the socket no more. The last one closes it. */
  letGo(): void {
    this.#users--;
    if (this.#users === this.#resting && !this.#isClosed) this.socket.unref();
    if (this.#users > 0 || this.#isClosed) return;
    this.#isClosed = true;
    this.#closing();
    void closeSocket(this.socket).then(this.#freed);
  }

  dropped(reason: DropReason): void {
    this.drops[reason]++;
  }

  /** Sends a datagram that belongs to no link. */
  answer(datagram: Buffer, { address, port }: { readonly address: string; readonly port: number }): void {
    // Whether it leaves is nobody's concern: the peer asks again.
    if (!this.#isClosed) this.socket.send(datagram, port, address, ignore);
  }

  /** The turn is over, and its time. */
  flush(): void {
    this.#isTimed = false;
  }

  /** Once a turn: nothing here is so exact that a burst of datagrams would have to be timed one by one. */
  #readClock(): void {
    this.#turnMs = this.#clock.now();
    this.#isTimed = true;
    this.#turn.schedule(this);
  }

  #arrived(datagram: Buffer, from: RemoteInfo): void {
    if (this.#isClosed) return;
    if (datagram.length === 0) return this.dropped("empty");
    if (datagram.length > this.#maxDatagramBytes) return this.dropped("tooLarge");
    if (from.port === this.port && this.#ownAddresses.has(from.address)) return this.dropped("loop");
    const hasHeader = datagram[0] === MAGIC && (this.connections.isServing || this.#plain === undefined);
    if (hasHeader && this.connections.arrivedForLink(datagram, from)) return;
    if (!this.#isTimed) this.#readClock();
    const nowMs = this.#turnMs;
    if (!this.#rate.allows(from.address, nowMs)) return this.#rateLimited(from.address, nowMs);
    if (!hasHeader && this.#plain !== undefined) this.#plain.arrived(datagram, from, nowMs);
    else if (this.connections.isServing) this.connections.arrived(datagram, from);
    else this.dropped("noListener");
  }

  #rateLimited(address: string, nowMs: number): void {
    this.dropped("rateLimited");
    if (!this.#rate.isWorthTelling(nowMs)) return;
    const { port } = this;
    const maxDatagramsPerSecond = this.#maxDatagramsPerSecond;
    this.#logger.log("warn", "udp", "datagrams of an address are dropped", { address, port, maxDatagramsPerSecond });
  }
}

export interface UdpServerSettings {
  readonly options: CompleteListenOptions;
  /** The socket is being closed. */
  readonly closed: () => void;
}

/** A socket bound to every address has all those of the machine. */
function ownAddresses(bound: string): ReadonlySet<string> {
  if (bound !== "0.0.0.0" && bound !== "::") return new Set([bound]);
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(all.map(({ address }) => address));
}

function ignore(): void {}
