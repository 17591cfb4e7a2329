import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type AnyProtocol,
  type Endpoint,
  type Handler,
  type Link,
  Network,
  PolywireError,
  withPort,
} from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { Hub, type HubOptions } from "@polywire/realtime";
import type { Centrifuge, Options, PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { type WebSocketOverOptions, webSocketOver } from "../src/index.ts";
import { type Cable, cableTo } from "./cable.ts";
import type { ServedWire } from "./wires.ts";

const HISTORY_SIZE = 1_000;

const hubOptions: HubOptions = {
  channels: [
    {
      match: "chat:*",
      publish: "subscribers",
      history: { size: HISTORY_SIZE, ttlMs: 600_000 },
      recovery: true,
      presence: true,
      joinLeave: true,
    },
    { match: "*", publish: "clients" },
  ],
  procedures: { echo: ({ data }) => data },
};

/** A hub at one wire, with clients of the unmodified SDK that reach it over the same wire. */
export class Serving implements AsyncDisposable {
  readonly #wire: ServedWire;
  readonly #protocol: AnyProtocol;
  readonly #clientNetwork: Network<readonly AnyProtocol[]>;
  readonly #clients: Centrifuge[] = [];
  readonly #cable: Cable | undefined;
  #links: Link[] = [];
  #network!: Network<readonly AnyProtocol[]>;
  #endpoint: Endpoint | undefined = undefined;
  hub!: Hub;
  /** What the adapters of the clients reported. */
  readonly errors: PolywireError[] = [];

  static async over(wire: ServedWire): Promise<Serving> {
    let port = 0;
    const cable = wire.isTcp ? await cableTo(() => port) : undefined;
    const serving = new Serving(wire, cable);
    await serving.#start();
    port = serving.#endpoint?.port ?? 0;
    return serving;
  }

  private constructor(wire: ServedWire, cable: Cable | undefined) {
    this.#cable = cable;
    this.#wire = wire;
    this.#protocol = wire.protocol();
    this.#clientNetwork = new Network({ protocols: [this.#protocol] as readonly AnyProtocol[] });
  }

  get url(): string {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return "";
    return (this.#cable === undefined ? endpoint : withPort(endpoint, this.#cable.port)).href;
  }

  client(options: Partial<Options> = {}, adapter: WebSocketOverOptions = {}): Centrifuge {
    const websocket = webSocketOver(this.#clientNetwork, {
      onError: (error) => void this.errors.push(error),
      dial: this.#wire.dial ?? {},
      ...adapter,
    });
    const { Sdk } = this.#wire.encoding;
    const client = new Sdk(this.url, { minReconnectDelay: 1, maxReconnectDelay: 20, websocket, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Cuts every link as a lost network would: nothing is said, what was not sent is gone. */
  cut(): void {
    if (this.#cable === undefined) for (const link of this.#links.splice(0)) link.close({ discard: true });
    else this.#cable.cut();
  }

  async stop(): Promise<void> {
    await this.#network.close({ timeoutMs: 2_000 });
  }

  /** The same address again, with a hub that remembers nothing. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.#clientNetwork.close({ timeoutMs: 2_000 });
    await this.#cable?.[Symbol.asyncDispose]();
    await this.stop();
  }

  async #start(): Promise<void> {
    this.hub = new Hub(hubOptions);
    this.#network = new Network({ protocols: [this.#protocol] as readonly AnyProtocol[], services: [this.hub] });
    this.#links = [];
    const handler = centrifuge(this.hub, this.#wire.dialect);
    const keeping: Handler = {
      ...handler,
      link: (link, place) => {
        this.#links.push(link);
        return handler.link?.(link, place);
      },
    };
    this.#endpoint = await this.#listen(keeping);
  }

  /** A UDP socket that links shared is free only a turn or two after the last of them is closed. */
  async #listen(handler: Handler): Promise<Endpoint> {
    const url = this.#endpoint?.href ?? this.#wire.url;
    for (;;) {
      try {
        return (await this.#network.listen(url, handler, this.#wire.listen ?? {})).endpoint;
      } catch (thrown) {
        if (!PolywireError.is(thrown) || thrown.code !== "address-in-use" || this.#endpoint === undefined) throw thrown;
        await nextTurn();
      }
    }
  }
}

export function subscribed(subscription: Subscription): Promise<SubscribedContext> {
  return new Promise((resolve) => void subscription.once("subscribed", resolve));
}

export function next<Context>(
  client: Centrifuge,
  event: "connected" | "connecting" | "disconnected" | "error",
): Promise<Context> {
  return new Promise((resolve) => void client.once(event, (context: unknown) => resolve(context as Context)));
}

/** Everything published to a subscription from here on. */
export class Heard {
  readonly publications: PublicationContext[] = [];
  #wake: () => void = () => {};

  constructor(subscription: Subscription) {
    subscription.on("publication", (publication) => {
      this.publications.push(publication);
      this.#wake();
    });
  }

  async until(isEnough: (publications: readonly PublicationContext[]) => boolean): Promise<void> {
    while (!isEnough(this.publications)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
