import { type AnyProtocol, type ConnectionPlace, type Exchange, type Link, Network } from "@polywire/core";
import { http } from "@polywire/http";
import { Hub, type HubOptions } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import {
  Centrifuge,
  type Options,
  type PublicationContext,
  type SubscribedContext,
  type Subscription,
} from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { centrifuge } from "../src/index.ts";
import { FetchEventSource } from "./event-source.ts";
import type { Encoding } from "./wire-client.ts";

/** Protobuf clients speak bytes, JSON clients values. */
export function encode(encoding: Encoding, value: unknown): unknown {
  return encoding === "json" ? value : new TextEncoder().encode(JSON.stringify(value));
}

export function decode(encoding: Encoding, data: unknown): unknown {
  return encoding === "json" ? data : (JSON.parse(new TextDecoder().decode(data as Uint8Array)) as unknown);
}

/** A way that the SDK knows to a server. */
export interface Way {
  readonly name: string;
  readonly encoding: Encoding;
  readonly protocol: AnyProtocol;
  readonly address: string;
  endpoint(url: string): ConstructorParameters<typeof Centrifuge>[0];
}

const overWebSocket = (encoding: Encoding): Way => ({
  name: `a WebSocket in ${encoding}`,
  encoding,
  protocol: ws(),
  address: "ws://127.0.0.1:0/connection/websocket",
  endpoint: (url) => url,
});

const overHttp = (transport: "http_stream" | "sse", encoding: Encoding): Way => ({
  name: `${transport} in ${encoding}`,
  encoding,
  protocol: http(),
  address: "http://127.0.0.1:0/connection/",
  endpoint: (url) => [{ transport, endpoint: `${url}${transport}` }],
});

export const WAYS: readonly Way[] = [
  overWebSocket("json"),
  overWebSocket("protobuf"),
  overHttp("http_stream", "json"),
  overHttp("http_stream", "protobuf"),
  overHttp("sse", "json"),
];

/** A server on a port of its own, with the unmodified SDK for clients. */
export interface SdkServing extends AsyncDisposable {
  readonly hub: Hub;
  /** Cuts everybody off, without a word. */
  cut(): void;
  client(options?: Partial<Options>): Centrifuge;
}

export async function serving(
  { encoding, protocol, address, endpoint }: Way,
  hubOptions: HubOptions,
): Promise<SdkServing> {
  const hub = new Hub(hubOptions);
  const network = new Network({ protocols: [protocol], services: [hub] });
  const links: Link[] = [];
  const handler = centrifuge(hub);
  const listener = await network.listen(address, {
    ...handler,
    link(link: Link, place: ConnectionPlace) {
      links.push(link);
      handler.link(link, place);
    },
    exchange: (exchange: Exchange) => handler.exchange(kept(exchange, links)),
  });
  const clients: Centrifuge[] = [];
  return {
    hub,
    cut(): void {
      for (const link of links.splice(0)) link.close({ discard: true });
    },
    client(options: Partial<Options> = {}): Centrifuge {
      // Two builds of one class: their types differ in private fields only.
      const Sdk = (encoding === "json" ? Centrifuge : ProtobufCentrifuge) as typeof Centrifuge;
      const client = new Sdk(endpoint(String(listener.endpoint)), {
        minReconnectDelay: 50,
        maxReconnectDelay: 100,
        emulationEndpoint: `${String(listener.endpoint)}emulation`,
        eventsource: FetchEventSource,
        ...options,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const client of clients) client.disconnect();
      await network.close();
    },
  };
}

/** The exchange, whose stream is noted. */
function kept(exchange: Exchange, links: Link[]): Exchange {
  const { method, path, query, headers, peer, body, signal } = exchange;
  return {
    method,
    path,
    query,
    headers,
    peer,
    body,
    signal,
    respond: (head, answer) => exchange.respond(head, answer),
    stream(head) {
      const link = exchange.stream(head);
      links.push(link);
      return link;
    },
  };
}

export function subscribed(subscription: Subscription): Promise<SubscribedContext> {
  return new Promise((resolve) => void subscription.once("subscribed", resolve));
}

/** The next publications, once there are as many. */
export function publications(subscription: Subscription, count: number): Promise<PublicationContext[]> {
  return new Promise((resolve) => {
    const heard: PublicationContext[] = [];
    subscription.on("publication", function hear(publication) {
      heard.push(publication);
      if (heard.length === count) resolve(heard);
    });
  });
}
