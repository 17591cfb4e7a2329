import { webSocketOver } from "@polywire/client";
import { Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { Centrifuge, type PublicationContext, type Subscription } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { EventSource } from "undici";
import type { ListenScheme } from "../../src/config/address.ts";
import { cuttable } from "./cuttable.ts";

/** The ports of the server by scheme. */
export type Ports = (scheme: ListenScheme) => number;

/** How clients of an encoding say something, and hear it. */
interface Speech {
  readonly encode: (said: Said) => unknown;
  readonly decode: (data: unknown) => unknown;
}

interface Encoding {
  readonly name: "JSON" | "Protobuf";
  /** In a channel of JSON. */
  readonly json: Speech;
  /** In a channel of bytes, in which only Protobuf clients can say something. */
  readonly binary: Speech;
}

const asBytes = (said: Said): Uint8Array => new TextEncoder().encode(JSON.stringify(said));
const fromBytes = (data: unknown): unknown => JSON.parse(new TextDecoder().decode(data as Uint8Array));
/** Bytes that are no UTF-8 before what is said. */
const NO_TEXT = Buffer.from([0xff, 0x00, 0xfe]);

const json: Encoding = {
  name: "JSON",
  json: { encode: (said) => said, decode: (data) => data },
  binary: {
    encode() {
      throw new Error("a JSON client has no bytes to say");
    },
    decode: (data) => fromBytes(Buffer.from(data as string, "base64").subarray(NO_TEXT.length)),
  },
};

const protobuf: Encoding = {
  name: "Protobuf",
  json: { encode: asBytes, decode: fromBytes },
  binary: {
    encode: (said) => Buffer.concat([NO_TEXT, asBytes(said)]),
    decode: (data) => fromBytes((data as Uint8Array).subarray(NO_TEXT.length)),
  },
};

/** A way to be a client: a wire and an encoding. */
export interface Way {
  readonly name: string;
  readonly encoding: Encoding;
  connect(ports: Ports): Connected;
}

export interface Connected {
  readonly client: Centrifuge;
  /** Loses the link, at once and without a word. */
  cut(): void;
  close(): Promise<void>;
}

const OPTIONS = { minReconnectDelay: 5, maxReconnectDelay: 50, timeout: 20_000 };

function sdkOf({ name }: Encoding): typeof Centrifuge {
  // The same class from another entry, with types of its own.
  return name === "JSON" ? Centrifuge : (ProtobufCentrifuge as unknown as typeof Centrifuge);
}

/** Over links of the network half. */
function overLinks(
  name: string,
  encoding: Encoding,
  { scheme, url }: { readonly scheme: ListenScheme; readonly url: (port: number) => string },
): Way {
  return {
    name: `${name}, ${encoding.name}`,
    encoding,
    connect(ports) {
      const cutter = cuttable([ws(), tcp(), udp(), grpc()]);
      const network = new Network({ protocols: cutter.protocols });
      const Sdk = sdkOf(encoding);
      const client = new Sdk(url(ports(scheme)), { ...OPTIONS, websocket: webSocketOver(network) });
      return {
        client,
        cut: () => cutter.cut(),
        async close() {
          client.disconnect();
          await network.close({ timeoutMs: 2_000 });
        },
      };
    },
  };
}

/** Over requests and a stream of answers. */
function overHttp(name: "http_stream" | "sse", encoding: Encoding): Way {
  return {
    name: `${name}, ${encoding.name}`,
    encoding,
    connect(ports) {
      const base = `http://127.0.0.1:${ports("http")}`;
      let streams = new AbortController();
      const sources = new Set<EventSource>();
      class CountedEventSource extends EventSource {
        constructor(url: string) {
          super(url);
          sources.add(this);
        }
      }
      const Sdk = sdkOf(encoding);
      const client = new Sdk([{ transport: name, endpoint: `${base}/connection/${name}` }], {
        ...OPTIONS,
        emulationEndpoint: `${base}/emulation`,
        // Cut like a cable: the stream and whatever is under way.
        fetch: (url: string, init: RequestInit = {}) => {
          const signals = [streams.signal, ...(init.signal == null ? [] : [init.signal])];
          return fetch(url, { ...init, signal: AbortSignal.any(signals) });
        },
        readableStream: ReadableStream,
        eventsource: CountedEventSource,
      });
      return {
        client,
        cut() {
          streams.abort();
          streams = new AbortController();
          for (const source of sources) {
            source.close();
            source.onerror?.(new Event("error") as never);
          }
          sources.clear();
        },
        close: () => Promise.resolve(client.disconnect()),
      };
    },
  };
}

const websocket = { scheme: "http", url: (port: number) => `ws://127.0.0.1:${port}/connection/websocket` } as const;
const plainTcp = { scheme: "tcp", url: (port: number) => `tcp://127.0.0.1:${port}` } as const;
const secureUdp = { scheme: "udp", url: (port: number) => `udp://127.0.0.1:${port}` } as const;
const overGrpc = { scheme: "grpc", url: (port: number) => `grpc://127.0.0.1:${port}` } as const;

/** A client on each wire, encodings mixed. */
export const ways: readonly Way[] = [
  overLinks("WebSocket", json, websocket),
  overLinks("WebSocket", protobuf, websocket),
  overHttp("sse", json),
  overHttp("http_stream", json),
  overHttp("http_stream", protobuf),
  overLinks("gRPC", protobuf, overGrpc),
  overLinks("TCP", json, plainTcp),
  overLinks("UDP", json, secureUdp),
  overLinks("UDP", protobuf, { ...secureUdp, url: (port) => `udp://127.0.0.1:${port}/?format=protobuf` }),
];

/** What a publication says: who said it, and which of theirs it is. */
export interface Said {
  readonly from: string;
  readonly number: number;
}

export interface Room {
  readonly channel: string;
  /** What the channel takes. */
  readonly data: "json" | "binary";
}

/** A client in the channel, with all that it heard. */
export class Member implements AsyncDisposable {
  readonly way: Way;
  readonly room: Subscription;
  readonly heard: { readonly offset: number; readonly said: Said }[] = [];
  recoveries = 0;
  failures = 0;
  readonly #speech: Speech;
  readonly #connected: Connected;
  #wake: () => void = () => {};

  private constructor(way: Way, ports: Ports, { channel, data: kind }: Room) {
    this.way = way;
    this.#speech = way.encoding[kind];
    this.#connected = way.connect(ports);
    this.room = this.#connected.client.newSubscription(channel);
    this.room.on("publication", ({ data, offset = 0 }: PublicationContext) => {
      this.heard.push({ offset, said: this.#speech.decode(data) as Said });
      this.#wake();
    });
    this.room.on("subscribed", ({ wasRecovering, recovered }) => {
      if (wasRecovering && recovered) this.recoveries++;
      if (wasRecovering && !recovered) this.failures++;
    });
  }

  static async join(way: Way, ports: Ports, room: Room): Promise<Member> {
    const member = new Member(way, ports, room);
    member.room.subscribe();
    member.#connected.client.connect();
    await member.room.ready(30_000);
    return member;
  }

  cut(): void {
    this.#connected.cut();
  }

  publish(said: Said): Promise<unknown> {
    return this.room.publish(this.#speech.encode(said));
  }

  /** Fulfilled once so many were heard. */
  async until(count: number): Promise<void> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connected.close();
  }
}
