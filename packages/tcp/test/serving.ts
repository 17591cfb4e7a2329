import {
  type CloseInfo,
  type Handler,
  type Link,
  type LinkLimits,
  type ListenOptions,
  type LogFields,
  type Logger,
  Network,
  type Payload,
} from "@polywire/core";
import { type TcpListenOptions, type TcpOptions, type TcpProtocol, tcp } from "../src/index.ts";

/** One end of an accepted link, with everything that its sink was told. */
export class ServedLink {
  readonly link: Link;
  readonly messages: Payload[] = [];
  drains = 0;
  ends = 0;
  closeInfo: CloseInfo | undefined = undefined;
  readonly closed: Promise<CloseInfo>;
  onMessage: (payload: Payload) => void = () => {};
  #wake: () => void = () => {};

  /** @param onEnded what to do when the peer has ended; without it the link closes then. */
  constructor(link: Link, onEnded?: (link: Link) => void) {
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
        ...(onEnded !== undefined && {
          ended: () => {
            this.ends++;
            onEnded(link);
            this.#wake();
          },
        }),
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
  readonly tcp?: TcpOptions;
  readonly listen?: TcpListenOptions & ListenOptions;
  readonly limits?: Partial<LinkLimits>;
  readonly handler?: Handler;
  readonly onEnded?: (link: Link) => void;
  readonly network?: Partial<ConstructorParameters<typeof Network>[0]>;
}

/** A network that listens and keeps what arrives. */
export class Serving implements AsyncDisposable {
  readonly network: Network<readonly [TcpProtocol]>;
  readonly port: number;
  readonly links: ServedLink[] = [];
  readonly #waiting: ((link: ServedLink) => void)[] = [];

  private constructor(network: Network<readonly [TcpProtocol]>, port: number) {
    this.network = network;
    this.port = port;
  }

  static async start(options: ServingOptions = {}): Promise<Serving> {
    const { url = "tcp://127.0.0.1:0", listen = {}, limits = {}, handler = {} } = options;
    const network = new Network({ ...options.network, protocols: [tcp(options.tcp)] });
    let serving: Serving | undefined;
    const listener = await network.listen(
      url as "tcp://127.0.0.1:0",
      { link: (link) => serving?.accept(new ServedLink(link, options.onEnded)), ...handler },
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
  #wake: () => void = () => {};

  log(level: string, component: string, message: string, fields: LogFields = {}): void {
    this.lines.push(`${level} ${component}: ${message}: ${String(fields["error"])}`);
    this.#wake();
  }

  /** The first line that matches, once there is one. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((each) => pattern.test(each));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
