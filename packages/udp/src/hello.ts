import { type Endpoint, PolywireError } from "@polywire/core";
import { COOKIE_BYTES } from "./cookie.ts";
import { MODES, type UdpMode } from "./options.ts";
import { type ConnectionId, HEADER_BYTES, packet, readId, TYPE, writeId } from "./packet.ts";

const NO_ID: ConnectionId = { high: 0, low: 0 };
/** Id, mode, largest datagram, length of the cookie. */
const FIXED_BYTES = 12;
/** A first datagram is as large as this, so that no answer to it is larger, and it proves that the way takes the size. */
const HELLO_BYTES = 1_200;
const MAX_NAMES = 32;

/** What a peer that dials says of itself. */
export interface Hello {
  readonly id: ConnectionId;
  readonly mode: UdpMode;
  /** Largest datagram that the peer takes. */
  readonly maxDatagramBytes: number;
  readonly cookie: Buffer;
  readonly request: HelloRequest;
}

export interface HelloRequest {
  readonly path: string;
  readonly query: string;
  readonly subprotocols: readonly string[];
  readonly headers: ReadonlyMap<string, string>;
}

/** The request in bytes: strings with their lengths before them, lists with their counts. */
export function requestBytes({ path, query, subprotocols, headers }: HelloRequest): Buffer {
  const pairs = [...headers].flatMap(([name, value]) => [name.toLowerCase(), value]);
  return Buffer.concat([
    ...[path, query].map(text),
    Buffer.from([subprotocols.length, headers.size]),
    ...subprotocols.map(text),
    ...pairs.map(text),
  ]);
}

/**
 * The datagram that begins a handshake, with the cookie once there is one.
 *
 * @throws PolywireError `invalid-argument` when the request does not fit.
 */
export function helloPacket(
  hello: Omit<Hello, "request"> & { readonly request: Buffer; readonly endpoint: Endpoint },
): Buffer {
  const { id, mode, maxDatagramBytes, cookie, request, endpoint } = hello;
  const bodyBytes = Math.min(HELLO_BYTES, maxDatagramBytes) - HEADER_BYTES;
  const most = bodyBytes - FIXED_BYTES - COOKIE_BYTES;
  if (request.length > most) {
    throw new PolywireError(
      "invalid-argument",
      `connect to "${endpoint}": path, query, subprotocols and metadata take ${request.length} bytes: a handshake carries ${most}`,
    );
  }
  const datagram = packet(TYPE.hello, NO_ID, bodyBytes);
  writeId(datagram, id, HEADER_BYTES);
  datagram[HEADER_BYTES + 8] = MODES.indexOf(mode);
  datagram.writeUInt16BE(maxDatagramBytes, HEADER_BYTES + 9);
  datagram[HEADER_BYTES + 11] = cookie.length;
  cookie.copy(datagram, HEADER_BYTES + FIXED_BYTES);
  request.copy(datagram, HEADER_BYTES + FIXED_BYTES + cookie.length);
  return datagram;
}

/** Nothing for a hello that cannot be read. */
export function readHello(datagram: Buffer): Hello | undefined {
  const mode = MODES[datagram[HEADER_BYTES + 8] as number];
  const cookieBytes = datagram[HEADER_BYTES + 11] as number;
  const at = HEADER_BYTES + FIXED_BYTES;
  if (mode === undefined || mode === "plain" || (cookieBytes !== 0 && cookieBytes !== COOKIE_BYTES)) return undefined;
  const request = new RequestReader(datagram, at + cookieBytes).read();
  if (request === undefined) return undefined;
  return {
    id: readId(datagram, HEADER_BYTES),
    mode,
    maxDatagramBytes: datagram.readUInt16BE(HEADER_BYTES + 9),
    cookie: datagram.subarray(at, at + cookieBytes),
    request,
  };
}

class RequestReader {
  readonly #from: Buffer;
  #at: number;

  constructor(from: Buffer, at: number) {
    this.#from = from;
    this.#at = at;
  }

  read(): HelloRequest | undefined {
    const path = this.#text();
    const query = this.#text();
    const counts = [this.#byte(), this.#byte()];
    const [subprotocolCount, headerCount] = counts as [number, number];
    if (subprotocolCount > MAX_NAMES || headerCount > MAX_NAMES) return undefined;
    const subprotocols = Array.from({ length: subprotocolCount }, () => this.#text());
    const headers = new Map<string, string>();
    for (let index = 0; index < headerCount; index++) headers.set(this.#text().toLowerCase(), this.#text());
    return this.#at > this.#from.length ? undefined : { path, query, subprotocols, headers };
  }

  #byte(): number {
    return this.#from[this.#at++] ?? 0;
  }

  #text(): string {
    const length = this.#byte() * 256 + this.#byte();
    const start = this.#at;
    this.#at += length;
    return this.#at > this.#from.length ? "" : this.#from.toString("utf8", start, this.#at);
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
