import { type AnyProtocol, type Exchanger, type Headers, Network, type Payload, type Response } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { ManualClock } from "@polywire/core/testing";
import { Hub, type HubOptions } from "@polywire/realtime";
import { type CentrifugeHandler, type CentrifugeOptions, centrifuge } from "../src/index.ts";

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Payload;
}

/** A hub behind the dialect's HTTP forms, on exchanges inside the process and a clock of its own. */
export class Exchanging implements AsyncDisposable {
  readonly hub: Hub;
  readonly handler: CentrifugeHandler;
  readonly clock: ManualClock = new ManualClock();
  readonly #network: Network<readonly AnyProtocol[]>;
  readonly #clients: Network<readonly AnyProtocol[]>;
  readonly #streams: Stream[] = [];
  #exchanger: Exchanger | undefined = undefined;

  private constructor(hubOptions: HubOptions, options: CentrifugeOptions) {
    const { clock } = this;
    this.hub = new Hub({ clock, ...hubOptions });
    this.handler = centrifuge(this.hub, { clock, ...options });
    const protocols: readonly AnyProtocol[] = [memory()];
    this.#network = new Network({ protocols, services: [this.hub] });
    this.#clients = new Network({ protocols });
  }

  static async start(hubOptions: HubOptions = {}, options: CentrifugeOptions = {}): Promise<Exchanging> {
    const world = new Exchanging(hubOptions, options);
    const listener = await world.#network.listen("memory://hub:0/", world.handler);
    world.#exchanger = await world.#clients.open(String(listener.endpoint));
    return world;
  }

  /** One request and the head of its response. */
  request(path: string, { method = "POST", headers = {}, body }: Asked = {}, signal?: AbortSignal): Promise<Response> {
    const asked = { method, path: `/connection/${path}`, headers: new Map(Object.entries(headers)) };
    const { exchanger } = this;
    return exchanger.request(body === undefined ? asked : { ...asked, body }, signal === undefined ? {} : { signal });
  }

  async statusOf(path: string, asked?: Asked): Promise<number> {
    const { status, body } = await this.request(path, asked);
    await body.bytes();
    return status;
  }

  /** A response that goes on. */
  async stream(path: string, asked?: Asked): Promise<Stream> {
    const gone = new AbortController();
    const stream = new Stream(await this.request(path, asked, gone.signal), gone);
    this.#streams.push(stream);
    return stream;
  }

  get exchanger(): Exchanger {
    if (this.#exchanger === undefined) throw new Error("not started");
    return this.#exchanger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.cut();
    await this.#clients.close();
    await this.#network.close();
  }
}

/** A body that is read piece by piece. */
export class Stream {
  readonly status: number;
  readonly headers: Headers;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #gone: AbortController;

  constructor({ status, headers, body }: Response, gone: AbortController) {
    this.status = status;
    this.headers = headers;
    this.#chunks = body[Symbol.asyncIterator]();
    this.#gone = gone;
  }

  /** What came next; `undefined` at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const { value, done } = await this.#chunks.next();
    return done === true ? undefined : (value as Uint8Array);
  }

  async text(): Promise<string | undefined> {
    const chunk = await this.next();
    return chunk === undefined ? undefined : Buffer.from(chunk).toString();
  }

  /** All that comes until the end. */
  async rest(): Promise<string> {
    let text = "";
    for (let chunk = await this.text(); chunk !== undefined; chunk = await this.text()) text += chunk;
    return text;
  }

  cut(): void {
    this.#gone.abort();
  }
}
