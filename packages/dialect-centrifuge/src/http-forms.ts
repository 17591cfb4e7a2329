import { type Exchange, type Payload, PolywireError } from "@polywire/core";
import type { SessionHost } from "@polywire/realtime";
import type { Doorkeeper } from "./admission.ts";
import { Client } from "./client.ts";
import { ClientOrigin } from "./client-origin.ts";
import type { EncodingName } from "./codec.ts";
import type { Codecs, Speech } from "./codecs.ts";
import { type Emulation, type EmulationRequest, readEmulationRequest } from "./emulation.ts";
import { Answerer } from "./http-answers.ts";
import type { ConnectRequest } from "./message.ts";
import { BodyReader } from "./request-body.ts";
import { UnidirectionalClient } from "./unidirectional-client.ts";

export interface HttpFormsParts {
  readonly hub: SessionHost;
  readonly codecs: Codecs;
  readonly doorkeeper: Doorkeeper;
  readonly emulation: Emulation;
}

/** One way to be a client with nothing but requests. */
interface Form {
  /** Absent: the wire has no methods. */
  readonly methods?: readonly string[];
  serve(exchange: Exchange): Promise<void>;
}

const PROTOBUF_CONTENT_TYPE = "application/octet-stream";
const EVENT_CONTENT_TYPE = "text/event-stream; charset=utf-8";

/** What an event stream begins with, so that its reader knows at once that it is there. */
const EVENT_PREAMBLE = "\r\n";

/** Serves clients over exchanges. The last segment of the path says in which form. */
export class HttpForms {
  readonly #hub: SessionHost;
  readonly #codecs: Codecs;
  readonly #doorkeeper: Doorkeeper;
  readonly #emulation: Emulation;
  readonly #answers: Answerer;
  readonly #bodies: BodyReader;
  readonly #forms: ReadonlyMap<string, Form>;

  constructor({ hub, codecs, doorkeeper, emulation }: HttpFormsParts) {
    this.#hub = hub;
    this.#codecs = codecs;
    this.#doorkeeper = doorkeeper;
    this.#emulation = emulation;
    this.#answers = new Answerer(doorkeeper);
    this.#bodies = new BodyReader(hub.linkLimits.maxMessageBytes);
    this.#forms = new Map<string, Form>([
      ["http_stream", { methods: ["POST"], serve: (exchange) => this.#httpStream(exchange) }],
      ["sse", { methods: ["GET", "POST"], serve: (exchange) => this.#events(exchange) }],
      ["emulation", { methods: ["POST"], serve: (exchange) => this.#emulate(exchange) }],
      ["uni_http_stream", { methods: ["POST"], serve: (exchange) => this.#listeningStream(exchange) }],
      ["uni_sse", { methods: ["GET", "POST"], serve: (exchange) => this.#listeningEvents(exchange) }],
      ["Consume", { serve: (exchange) => this.#consume(exchange) }],
    ]);
  }

  async serve(exchange: Exchange): Promise<void> {
    const { path, method } = exchange;
    const form = this.#forms.get(path.slice(path.lastIndexOf("/") + 1));
    if (form === undefined) return this.#answers.answer(exchange, 404, "nothing is served here");
    const { methods } = form;
    if (methods !== undefined && method === "OPTIONS") return this.#answers.preflight(exchange, methods);
    if (methods?.includes(method) === false) return this.#answers.wrongMethod(exchange, methods);
    try {
      await form.serve(exchange);
    } catch (thrown) {
      if (!PolywireError.is(thrown)) throw thrown;
      this.#answers.fail(exchange, thrown);
    }
  }

  /** Replies on lines or after their lengths, down an endless body; commands come to the emulation endpoint. */
  async #httpStream(exchange: Exchange): Promise<void> {
    const encoding = contentEncoding(exchange);
    const commands = await this.#bodies.read(exchange);
    this.#open(exchange, { speech: { encoding, layout: "parted" }, transport: "http_stream", commands });
  }

  /** Replies as server-sent events, which are text. */
  async #events(exchange: Exchange): Promise<void> {
    const commands = await this.#queryOrBody(exchange);
    if (commands === undefined) return this.#answers.answer(exchange, 400, "the query has no cf_connect");
    this.#open(exchange, { speech: { encoding: "json", layout: "event" }, transport: "sse", commands });
  }

  async #emulate(exchange: Exchange): Promise<void> {
    const encoding = contentEncoding(exchange);
    const body = await this.#bodies.read(exchange);
    const request: EmulationRequest = readEmulationRequest(body, encoding, () => this.#codecs.library);
    if (this.#emulation.take(request)) this.#answers.answer(exchange, 204);
    else this.#answers.answer(exchange, 404, "there is no such node");
  }

  async #listeningStream(exchange: Exchange): Promise<void> {
    const speech: Speech = { encoding: contentEncoding(exchange), layout: "parted", isUnidirectional: true };
    const body = await this.#bodies.read(exchange);
    this.#listen(exchange, { speech, transport: "uni_http_stream", request: body });
  }

  async #listeningEvents(exchange: Exchange): Promise<void> {
    const speech: Speech = { encoding: "json", layout: "event", isUnidirectional: true };
    const request = (await this.#queryOrBody(exchange)) ?? "";
    this.#listen(exchange, { speech, transport: "uni_sse", request });
  }

  /** A gRPC call that is answered with a stream: its wire keeps messages apart. */
  async #consume(exchange: Exchange): Promise<void> {
    const speech: Speech = { encoding: "protobuf", layout: "whole", isUnidirectional: true };
    const request = await this.#bodies.read(exchange);
    this.#listen(exchange, { speech, transport: "uni_grpc", request });
  }

  async #queryOrBody(exchange: Exchange): Promise<Payload | undefined> {
    if (exchange.method === "POST") return await this.#bodies.read(exchange);
    return new URLSearchParams(exchange.query).get("cf_connect") ?? undefined;
  }

  /** A client that gives commands; the first came with the request. */
  #open(exchange: Exchange, { speech, transport, commands }: Opened & { readonly commands: Payload }): void {
    const isEvents = speech.layout === "event";
    const stream = this.#answers.stream(exchange, isEvents ? EVENT_CONTENT_TYPE : undefined);
    if (stream === undefined) return;
    const { link, identity } = this.#emulation.open(stream, isEvents ? EVENT_PREAMBLE : undefined);
    new Client(link, this.#codecs.group(speech), {
      hub: this.#hub,
      origin: this.#originOf(exchange, speech.encoding, transport),
      identity,
    });
    link.receive(commands);
  }

  /** A client that only listens. */
  #listen(exchange: Exchange, { speech, transport, request }: Opened & { readonly request: Payload }): void {
    const group = this.#codecs.group(speech);
    const isEvents = speech.layout === "event";
    const isPlain = request.length === 0 && speech.encoding === "json";
    const asked: ConnectRequest = group.codec.readConnect(isPlain ? plainRequest(exchange.query) : request);
    const stream = this.#answers.stream(exchange, isEvents ? EVENT_CONTENT_TYPE : undefined);
    if (stream === undefined) return;
    const origin = this.#originOf(exchange, speech.encoding, transport);
    const preamble = isEvents ? EVENT_PREAMBLE : undefined;
    new UnidirectionalClient(stream, group, { hub: this.#hub, origin, preamble, tellsEnd: true }).connect(asked);
  }

  #originOf({ peer, headers }: Exchange, encoding: EncodingName, transport: string): ClientOrigin {
    return new ClientOrigin(peer, { transport, encoding, headers: this.#doorkeeper.keptHeaders(headers) });
  }
}

interface Opened {
  readonly speech: Speech;
  readonly transport: string;
}

function contentEncoding({ headers }: Exchange): EncodingName {
  return headers.get("content-type") === PROTOBUF_CONTENT_TYPE ? "protobuf" : "json";
}

/** What people write by hand: `?channel=news&channel=weather`. */
function plainRequest(query: string): string {
  const channels = new URLSearchParams(query).getAll("channel");
  return JSON.stringify({ subs: Object.fromEntries(channels.map((channel) => [channel, {}])) });
}
