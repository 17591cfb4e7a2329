import { WebSocket } from "ws";
import type { Tally } from "./tally.ts";

/** Where a member is in one channel. */
interface Place {
  readonly channel: string;
  offset: number;
  epoch: string;
  isSubscribed: boolean;
}

interface Publication {
  readonly offset: number;
  readonly data?: { readonly t?: number };
}

interface Reply {
  readonly id?: number;
  readonly error?: { readonly code: number; readonly message: string };
  readonly connect?: object;
  readonly subscribe?: {
    readonly offset?: number;
    readonly epoch?: string;
    readonly recovered?: boolean;
    readonly was_recovering?: boolean;
    readonly publications?: readonly Publication[];
  };
  readonly push?: { readonly channel: string; readonly pub?: Publication };
}

const connectId = 1;
const firstSubscribeId = 2;
const firstPublishId = 1_000;

/** The shortest and the longest wait before another try, as the official SDKs have them. */
const leastDelayMs = 200;
const mostDelayMs = 20_000;

/** One client: it keeps its place in every channel, recovers what it missed and notices what it should have had. */
export class Member {
  readonly #url: string;
  readonly #tally: Tally;
  readonly #places: readonly Place[];
  #socket: WebSocket | undefined = undefined;
  #waiting = 0;
  #attempt = 0;
  #settle: (() => void) | undefined = undefined;
  #nextPublishId = firstPublishId;
  #comesBack = true;

  constructor(url: string, channels: readonly string[], tally: Tally) {
    this.#url = url;
    this.#tally = tally;
    this.#places = channels.map((channel) => ({ channel, offset: 0, epoch: "", isSubscribed: false }));
  }

  /** Fulfilled once it is connected and in all of its channels, however many tries that takes. */
  connect(): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#dial();
    });
  }

  /** Its line is cut; fulfilled when it is back. */
  async drop(afterMs: number): Promise<void> {
    const back = new Promise<void>((resolve) => {
      this.#settle = resolve;
    });
    this.#comesBack = false;
    this.#tally.reconnects++;
    this.#socket?.terminate();
    setTimeout(() => {
      this.#comesBack = true;
      this.#dial();
    }, afterMs);
    await back;
  }

  /** Fulfilled when it is back, after the next time that the server goes. */
  returned(): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  publish(channel: string): void {
    const data = { t: performance.timeOrigin + performance.now() };
    this.#socket?.send(JSON.stringify({ id: this.#nextPublishId++, publish: { channel, data } }));
  }

  close(): void {
    this.#comesBack = false;
    this.#socket?.terminate();
  }

  #dial(): void {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false, skipUTF8Validation: true });
    this.#socket = socket;
    socket.on("open", () => this.#greet(socket));
    socket.on("message", (data: Buffer) => this.#read(data.toString()));
    socket.on("error", () => {}); // its close follows
    socket.on("close", () => this.#lost(socket));
  }

  #greet(socket: WebSocket): void {
    const subscribes = this.#places.map(({ channel, offset, epoch }, index) => {
      const since = epoch === "" ? {} : { recover: true, offset, epoch };
      return JSON.stringify({ id: firstSubscribeId + index, subscribe: { channel, ...since } });
    });
    this.#waiting = 1 + subscribes.length;
    socket.send([`{"id":${connectId},"connect":{}}`, ...subscribes].join("\n"));
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    for (const place of this.#places) place.isSubscribed = false;
    if (!this.#comesBack) return;
    this.#tally.reconnects++;
    const delayMs = Math.random() * Math.min(mostDelayMs, leastDelayMs * 2 ** this.#attempt++);
    setTimeout(() => this.#dial(), delayMs);
  }

  #read(text: string): void {
    for (const line of text.split("\n")) {
      if (line === "{}") this.#socket?.send("{}");
      else if (line !== "") this.#take(JSON.parse(line) as Reply);
    }
  }

  #take(reply: Reply): void {
    const { id = 0, error, push } = reply;
    if (push?.pub !== undefined) return this.#published(push.channel, push.pub);
    if (error !== undefined) this.#tally.failed(`${error.code} ${error.message}`);
    if (id === 0 || id >= firstPublishId) return;
    if (id >= firstSubscribeId && reply.subscribe !== undefined)
      this.#subscribed(id - firstSubscribeId, reply.subscribe);
    if (--this.#waiting > 0) return;
    this.#attempt = 0;
    this.#settle?.();
    this.#settle = undefined;
  }

  #subscribed(index: number, result: NonNullable<Reply["subscribe"]>): void {
    const place = this.#places[index] as Place;
    const { offset = 0, epoch = "", publications = [] } = result;
    place.isSubscribed = true;
    if (result.was_recovering === true && result.recovered !== true && epoch === place.epoch) this.#tally.unrecovered++;
    // What was recovered goes on from where the member was, and so does what comes next.
    if (result.recovered === true) for (const publication of publications) this.#follow(place, publication);
    else place.offset = offset;
    place.epoch = epoch;
  }

  #published(channel: string, publication: Publication): void {
    const place = this.#places.find((each) => each.channel === channel);
    if (place === undefined) return;
    this.#tally.deliveries++;
    const sentMs = publication.data?.t;
    if (sentMs !== undefined && channel.startsWith("big:")) {
      this.#tally.latency(performance.timeOrigin + performance.now() - sentMs);
    }
    this.#follow(place, publication);
  }

  #follow(place: Place, { offset }: Publication): void {
    if (offset <= place.offset) this.#tally.repeated++;
    else this.#tally.lost += offset - place.offset - 1;
    place.offset = Math.max(place.offset, offset);
  }
}
