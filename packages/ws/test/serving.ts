import {
  type CloseInfo,
  type Handler,
  type Link,
  type LinkLimits,
  type ListenOptions,
  type Logger,
  Network,
  type Payload,
} from "@polywire/core";
import { type WsListenOptions, type WsOptions, type WsProtocol, ws } from "../src/index.ts";

/** One end of an accepted link, with everything that its sink was told. */
export class ServedLink {
  readonly link: Link;
  readonly messages: Payload[] = [];
  drains = 0;
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
        drain: () => {
          this.drains++;
          this.#wake();
        },
        closed: (info) => {
          this.closeInfo = info;
          resolve(info);
        },
      });
    });
  }

  /** Fulfilled once `isTrue` holds; it is asked after every message and drain. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export interface ServingOptions {
  readonly url?: string;
  readonly ws?: WsOptions;
  readonly listen?: WsListenOptions & ListenOptions;
  readonly limits?: Partial<LinkLimits>;
  readonly handler?: Handler;
  readonly network?: Partial<ConstructorParameters<typeof Network>[0]>;
}

/** A network that listens and keeps what arrives. */
export class Serving implements AsyncDisposable {
  readonly network: Network<readonly [WsProtocol]>;
  readonly port: number;
  readonly links: ServedLink[] = [];
  readonly #waiting: ((link: ServedLink) => void)[] = [];

  private constructor(network: Network<readonly [WsProtocol]>, port: number) {
    this.network = network;
    this.port = port;
  }

  static async start(options: ServingOptions = {}): Promise<Serving> {
    const { url = "ws://127.0.0.1:0/", listen = {}, limits = {}, handler = {} } = options;
    const network = new Network({ ...options.network, protocols: [ws(options.ws)] });
    let serving: Serving | undefined;
    const listener = await network.listen(
      url as "ws://127.0.0.1:0/",
      { link: (link) => serving?.accept(new ServedLink(link)), ...handler },
      { ...listen, limits },
    );
    serving = new Serving(network, listener.endpoint.port ?? 0);
    return serving;
  }

  accept(link: ServedLink): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.links.push(link);
    else waiting(link);
  }

  /** The next link that arrives, or one that has. */
  async next(): Promise<ServedLink> {
    const link = this.links.shift();
    if (link !== undefined) return link;
    return await new Promise((resolve) => void this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close({ timeoutMs: 2_000 });
  }
}

/** Keeps what is logged. */
export class KeptLog implements Logger {
  readonly lines: string[] = [];

  log(level: string, component: string, message: string): void {
    this.lines.push(`${level} ${component}: ${message}`);
  }
}
