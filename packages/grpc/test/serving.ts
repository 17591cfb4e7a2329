import {
  type CloseInfo,
  type Connection,
  type Exchange,
  type Handler,
  type Link,
  type LinkLimits,
  type ListenOptions,
  Network,
  type Payload,
} from "@polywire/core";
import { type GrpcListenOptions, type GrpcOptions, type GrpcProtocol, grpc } from "../src/index.ts";

/** One end of a link, with everything that its sink was told. */
export class OpenLink {
  readonly link: Link;
  readonly messages: Uint8Array[] = [];
  ends = 0;
  closeInfo: CloseInfo | undefined = undefined;
  readonly closed: Promise<CloseInfo>;
  onMessage: (payload: Payload) => void = () => {};
  onEnded: () => void = () => {};
  #wake: () => void = () => {};

  #resolve: (info: CloseInfo) => void = () => {};

  private constructor(link: Link) {
    this.link = link;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  static accepted(link: Link): OpenLink {
    const open = new OpenLink(link);
    link.open({
      message: (payload) => open.#heard(payload),
      ended: () => open.#ended(),
      closed: (info) => open.#closed(info),
    });
    return open;
  }

  static dialled(connection: Connection): OpenLink {
    const open = new OpenLink(connection.link);
    connection.on("data", (payload) => open.#heard(payload));
    connection.on("end", () => open.#ended());
    connection.on("close", (info) => open.#closed(info));
    return open;
  }

  #heard(payload: Payload): void {
    this.messages.push(new Uint8Array(payload as Uint8Array));
    this.onMessage(payload);
    this.#wake();
  }

  #ended(): void {
    this.ends++;
    this.onEnded();
    this.#wake();
  }

  #closed(info: CloseInfo): void {
    this.closeInfo = info;
    this.#resolve(info);
    this.#wake();
  }

  get texts(): string[] {
    return this.messages.map((message) => Buffer.from(message).toString());
  }

  /** Fulfilled once `isTrue` holds; it is asked after everything the sink is told. */
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
  readonly grpc?: GrpcOptions;
  readonly listen?: GrpcListenOptions & ListenOptions;
  readonly limits?: Partial<LinkLimits>;
  readonly handler?: Handler;
  readonly network?: Partial<ConstructorParameters<typeof Network>[0]>;
}

/** A network that listens and keeps what arrives. Without a handler it takes links. */
export class Serving implements AsyncDisposable {
  readonly network: Network<readonly [GrpcProtocol]>;
  readonly port: number;
  readonly #links: OpenLink[] = [];
  readonly #waiting: ((link: OpenLink) => void)[] = [];

  private constructor(network: Network<readonly [GrpcProtocol]>, port: number) {
    this.network = network;
    this.port = port;
  }

  static async start(options: ServingOptions = {}): Promise<Serving> {
    const { url = "grpc://127.0.0.1:0/test.Service/Talk", listen = {}, limits = {}, handler } = options;
    const network = new Network({ ...options.network, protocols: [grpc(options.grpc)] });
    let serving: Serving | undefined;
    const link = (arrived: Link): void => serving?.accept(OpenLink.accepted(arrived));
    const taking: Handler = handler === undefined ? { link } : { ...(handler.exchange ? {} : { link }), ...handler };
    const bound = await network.listen(url as "grpc://host/", taking, { ...listen, limits });
    serving = new Serving(network, bound.endpoint.port ?? 0);
    return serving;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  accept(link: OpenLink): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#links.push(link);
    else waiting(link);
  }

  /** The next link that arrives, or one that has. */
  async next(): Promise<OpenLink> {
    const link = this.#links.shift();
    if (link !== undefined) return link;
    return await new Promise((resolve) => void this.#waiting.push(resolve));
  }

  /** A dialled link to the listener's own path. */
  async dial(path = "/test.Service/Talk", options: object = {}): Promise<OpenLink> {
    return OpenLink.dialled(
      await this.network.connect(`grpc://${this.address}${path}`, { health: false, ...options, reconnect: false }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close({ timeoutMs: 2_000 });
  }
}

/** Answers every request with its own body, and with what it was asked by metadata. */
export async function echo(exchange: Exchange): Promise<void> {
  const body = await exchange.body.bytes();
  const status = Number(exchange.headers.get("x-answer-status") ?? 200);
  exchange.respond({ status, headers: new Map([["x-seen", exchange.headers.get("x-question") ?? "none"]]) }, body);
}
