import { type Cable, cableTo } from "@polywire/conformance/testing";
import {
  type AnyProtocol,
  type Handler,
  type Link,
  type Listener,
  Network,
  type PolywireError,
  withPort,
} from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { Hub, type HubOptions } from "@polywire/realtime";
import type { Centrifuge, Options, PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { type WebSocketOverOptions, webSocketOver } from "../src/index.ts";
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
  #listener!: Listener;
  #isServing = false;
  hub!: Hub;
  /** What the adapters of the clients reported. */
  readonly errors: PolywireError[] = [];

  static async over(wire: ServedWire): Promise<Serving> {
    let serving: Serving | undefined;
    const cable = wire.isTcp ? await cableTo(() => serving?.port) : undefined;
    serving = new Serving(wire, cable);
    await serving.#start(wire.url);
    return serving;
  }

  private constructor(wire: ServedWire, cable: Cable | undefined) {
    this.#cable = cable;
    this.#wire = wire;
    this.#protocol = wire.protocol();
    this.#clientNetwork = new Network({ protocols: [this.#protocol] as readonly AnyProtocol[] });
  }

  /** Where the server itself listens. */
  get port(): number | undefined {
    return this.#isServing ? this.#listener.endpoint.port : undefined;
  }

  /** Where clients find it. */
  get url(): string {
    const { endpoint } = this.#listener;
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
    this.#cable?.cut();
    this.#cable?.mend();
  }

  async stop(): Promise<void> {
    this.#isServing = false;
    await this.#network.close({ timeoutMs: 2_000 });
  }

  /** The same address again, with a hub that remembers nothing. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#wire.freed?.(this.#listener);
    // Behind a cable the address of the clients is the cable's: a port given up could be anyone's by now.
    await this.#start(this.#cable === undefined ? this.#listener.endpoint.href : this.#wire.url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.#clientNetwork.close({ timeoutMs: 2_000 });
    await this.#cable?.[Symbol.asyncDispose]();
    await this.stop();
  }

  async #start(url: string): Promise<void> {
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
    this.#listener = await this.#network.listen(url, keeping, this.#wire.listen ?? {});
    this.#isServing = true;
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
