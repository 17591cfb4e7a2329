import {
  type CloseInfo,
  type Handler,
  type Link,
  type LinkLimits,
  type ListenOptions,
  Network,
  type Payload,
} from "@polywire/core";
import {
  type UdpDrops,
  type UdpListenOptions,
  type UdpOptions,
  type UdpProtocol,
  type UdpServerView,
  udp,
} from "../src/index.ts";

/** One end of a link, with everything that its sink was told. */
export class HeldLink {
  readonly link: Link;
  readonly messages: Payload[] = [];
  closeInfo: CloseInfo | undefined = undefined;
  readonly closed: Promise<CloseInfo>;
  onMessage: (payload: Payload) => void = () => {};
  #wake: () => void = () => {};

  constructor(link: Link) {
    this.link = link;
    this.closed = new Promise((resolve) => {
      link.open({
        message: (payload) => {
          this.messages.push(typeof payload === "string" ? payload : new Uint8Array(payload));
          this.onMessage(payload);
          this.#wake();
        },
        closed: (info) => {
          this.closeInfo = info;
          this.#wake();
          resolve(info);
        },
      });
    });
  }

  /** The messages as text, once there are so many. */
  async texts(count: number): Promise<string[]> {
    while (this.messages.length < count) {
      if (this.closeInfo !== undefined) throw new Error(`closed after ${this.messages.length} messages`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.messages.map((payload) => (typeof payload === "string" ? payload : Buffer.from(payload).toString()));
  }
}

export interface ServingOptions {
  readonly url?: string;
  readonly udp?: UdpOptions;
  readonly listen?: UdpListenOptions & ListenOptions;
  readonly limits?: Partial<LinkLimits>;
  readonly handler?: Handler;
  readonly network?: Partial<ConstructorParameters<typeof Network>[0]>;
}

/** A network that listens and keeps what arrives. */
export class Serving implements AsyncDisposable {
  readonly network: Network<readonly [UdpProtocol]>;
  readonly port: number;
  readonly drops: Readonly<UdpDrops>;
  readonly server: UdpServerView;
  readonly closeListener: () => Promise<void>;
  readonly links: HeldLink[] = [];
  readonly #waiting: ((link: HeldLink) => void)[] = [];

  private constructor(
    network: Network<readonly [UdpProtocol]>,
    listener: Awaited<ReturnType<typeof network.listen<"udp://127.0.0.1:0">>>,
  ) {
    this.network = network;
    this.port = listener.endpoint.port ?? 0;
    this.drops = listener.server.drops;
    this.server = listener.server;
    this.closeListener = () => listener.close();
  }

  static async start(options: ServingOptions = {}): Promise<Serving> {
    const { url = "udp://127.0.0.1:0", listen = {}, limits = {}, handler = {} } = options;
    const network = new Network({ ...options.network, protocols: [udp(options.udp)] });
    let serving: Serving | undefined;
    const listener = await network.listen(
      url as "udp://127.0.0.1:0",
      { link: (link) => serving?.accept(link), ...handler },
      { ...listen, limits },
    );
    serving = new Serving(network, listener);
    return serving;
  }

  accept(link: Link): void {
    const held = new HeldLink(link);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.links.push(held);
    else waiting(held);
  }

  /** The next link that arrives, or one that has. */
  async next(): Promise<HeldLink> {
    const link = this.links.shift();
    if (link !== undefined) return link;
    return await new Promise((resolve) => void this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close({ timeoutMs: 300 });
  }
}
