import { type AnyProtocol, type Exchanger, Network, type Payload, type Response } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { http } from "@polywire/http";
import protobuf from "protobufjs";
import { type Encoding, encodings, json } from "./encodings.ts";
import { FrameReader } from "./frame-reader.ts";
import { SCHEMA } from "./schema.ts";
import type { ClientLink, LinkEvents, Transport } from "./transports.ts";

const emulationType = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType("EmulationRequest");

const OCTETS: ReadonlyMap<string, string> = new Map([["content-type", "application/octet-stream"]]);
const JSON_TEXT: ReadonlyMap<string, string> = new Map([["content-type", "application/json"]]);

/** Two ways to be told: an endless body of replies, and server-sent events. Commands are requests of their own in both. */
export const httpStreams: readonly Transport[] = [
  emulated("http_stream in memory", { form: "http_stream", worthTrying: encodings, inMemory: true }),
  emulated("sse in memory", { form: "sse", worthTrying: [json], inMemory: true }),
  emulated("http_stream", { form: "http_stream", worthTrying: encodings, inMemory: false }),
  emulated("sse", { form: "sse", worthTrying: [json], inMemory: false }),
];

interface Emulated {
  readonly form: "http_stream" | "sse";
  readonly worthTrying: readonly Encoding[];
  readonly inMemory: boolean;
}

function emulated(name: string, { form, worthTrying, inMemory }: Emulated): Transport {
  return {
    name,
    encodings: worthTrying,
    tooLargeCode: undefined,
    cutOffCode: 1006,
    frames: "whole",
    isEmulated: true,
    open() {
      const protocol: AnyProtocol = inMemory ? memory() : http();
      const clients: Network<readonly AnyProtocol[]> = new Network({ protocols: [protocol] });
      const links = new Set<EmulatedClientLink>();
      return {
        protocols: [protocol],
        address: inMemory ? "memory://server:0/connection" : "http://127.0.0.1:0/connection/",
        async dial(address, encoding, events) {
          const exchanger = await clients.open(address);
          // Events are text: a client of bytes takes the other way.
          const link = new EmulatedClientLink(
            exchanger,
            { form: encoding === json ? form : "http_stream", encoding },
            events,
          );
          links.add(link);
          return link;
        },
        async [Symbol.asyncDispose]() {
          for (const link of links) link.cut();
          await clients.close();
        },
      };
    },
  };
}

/** A client's two ways: the first thing it says is the request whose answer never ends. */
class EmulatedClientLink implements ClientLink {
  readonly #exchanger: Exchanger;
  readonly #form: "http_stream" | "sse";
  readonly #encoding: Encoding;
  readonly #events: LinkEvents;
  readonly #gone = new AbortController();
  readonly #identity = Promise.withResolvers<{ readonly session: string; readonly node: string }>();
  #isOpen = false;
  #sent: Promise<unknown> = this.#identity.promise;
  #stalled: PromiseWithResolvers<void> | undefined = undefined;

  constructor(
    exchanger: Exchanger,
    { form, encoding }: { readonly form: "http_stream" | "sse"; readonly encoding: Encoding },
    events: LinkEvents,
  ) {
    this.#exchanger = exchanger;
    this.#form = form;
    this.#encoding = encoding;
    this.#events = events;
  }

  send(frame: Payload): void {
    if (this.#isOpen) {
      this.#sent = this.#sent.then(() => this.#post(frame)).catch(() => {});
      return;
    }
    this.#isOpen = true;
    void this.#listen(frame).finally(() => this.#events.closed(1006, ""));
  }

  stall(): void {
    this.#stalled ??= Promise.withResolvers();
  }

  resume(): void {
    this.#stalled?.resolve();
    this.#stalled = undefined;
  }

  cut(): void {
    this.#gone.abort();
    if (!this.#isOpen) this.#events.closed(1006, "");
  }

  async #listen(frame: Payload): Promise<void> {
    const { signal } = this.#gone;
    try {
      const response = await this.#open(frame, signal);
      if (response.status !== 200) return;
      const frames = new FrameReader(this.#encoding, (one) => this.#take(one));
      const reader = this.#form === "sse" ? new EventReader((event) => this.#take(event)) : frames;
      for await (const chunk of response.body) {
        await this.#stalled?.promise;
        reader.push(chunk);
      }
    } catch {
      // Cut off, by one side or the other.
    }
  }

  #open(frame: Payload, signal: AbortSignal): Promise<Response> {
    const path = `/connection/${this.#form}`;
    if (this.#form === "sse" && typeof frame === "string") {
      const query = `?cf_connect=${encodeURIComponent(frame)}`;
      return this.#exchanger.request({ method: "GET", path: `${path}${query}` }, { signal });
    }
    const headers = this.#encoding.name === "protobuf" ? OCTETS : JSON_TEXT;
    return this.#exchanger.request({ method: "POST", path, headers, body: frame }, { signal });
  }

  #take(frame: Payload): void {
    for (const { connect } of this.#encoding.decode(frame)) {
      const { session, node } = connect ?? {};
      if (session !== undefined && node !== undefined) this.#identity.resolve({ session, node });
    }
    this.#events.frame(frame);
  }

  async #post(frame: Payload): Promise<void> {
    const { session, node } = await this.#identity.promise;
    const isText = typeof frame === "string";
    const body = isText
      ? JSON.stringify({ session, node, data: frame })
      : emulationType.encode(emulationType.create({ session, node, data: frame })).finish();
    const path = "/connection/emulation";
    const response = await this.#exchanger.request({
      method: "POST",
      path,
      headers: isText ? JSON_TEXT : OCTETS,
      body: isText ? body : new Uint8Array(body as Uint8Array),
    });
    await response.body.bytes();
  }
}

/** Server-sent events that hold data and nothing else. */
class EventReader {
  readonly #take: (event: string) => void;
  #text = "";
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(take: (event: string) => void) {
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    this.#text += this.#decoder.decode(chunk, { stream: true });
    for (let end = this.#text.indexOf("\n\n"); end !== -1; end = this.#text.indexOf("\n\n")) {
      const event = this.#text.slice(0, end).trimStart();
      this.#text = this.#text.slice(end + 2);
      if (!event.startsWith("data: ") || event.includes("\n")) throw new Error(`no event: ${event}`);
      this.#take(event.slice("data: ".length));
    }
  }
}
