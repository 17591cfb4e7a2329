import type { IncomingHttpHeaders } from "node:http2";
import { type Headers, PolywireError } from "@polywire/core";

/** Names that belong to the transport: a program cannot set them, but for what a server says of another attempt. */
const RESERVED =
  /^(?::.*|grpc-(?!retry-pushback-ms$).*|te|content-type|content-length|connection|transfer-encoding|host|user-agent)$/;
/** Custom-Metadata of the specification. */
const NAME = /^[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Metadata on its way out, as HTTP/2 headers. */
export type OutgoingMetadata = Record<string, string>;

/**
 * Adds entries to headers; names become lower case, those ending in `-bin` must hold base64.
 *
 * @throws PolywireError `invalid-argument` naming the entry, never its value.
 */
export function addMetadata(into: OutgoingMetadata, entries: Iterable<readonly [string, string]>): OutgoingMetadata {
  for (const [given, value] of entries) {
    const name = String(given).toLowerCase();
    if (RESERVED.test(name)) throw wrong(given, "it belongs to gRPC itself");
    if (!NAME.test(name)) throw wrong(given, "names hold letters, digits, _, - and . only");
    if (typeof value !== "string") throw wrong(given, "give a string");
    const isBinary = name.endsWith("-bin");
    if (isBinary && !BASE64.test(value)) throw wrong(given, "names that end in -bin hold base64");
    if (!VALUE.test(value)) throw wrong(given, "values are printable ASCII; use a name that ends in -bin and base64");
    into[name] = value;
  }
  return into;
}

function wrong(name: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `metadata "${String(name).slice(0, 64)}": ${problem}`);
}

/** Headers that arrived, pseudo-headers excluded; `host` is the authority that was asked for. */
export function readMetadata(headers: IncomingHttpHeaders): Map<string, string> {
  const metadata = new Map<string, string>();
  const { ":authority": authority } = headers;
  if (authority !== undefined) metadata.set("host", authority);
  addReceived(metadata, headers);
  return metadata;
}

/** Adds what arrived later: the trailers. */
export function addReceived(metadata: Map<string, string>, headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    if (name.charCodeAt(0) === 0x3a) continue;
    const value = headers[name];
    if (value !== undefined) metadata.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
}

/** What HPACK counts for each entry (RFC 7541, section 4.1). */
const ENTRY_BYTES = 32;

/** The size of headers as HTTP/2 counts it. */
export function metadataBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "string") bytes += name.length + value.length + ENTRY_BYTES;
    else for (const each of value ?? []) bytes += name.length + each.length + ENTRY_BYTES;
  }
  return bytes;
}

const CONTENT_TYPE = /^application\/grpc(?:$|[+;])/i;

/** Whether this is gRPC, and not one of its relatives (`application/grpc-web`) or something else altogether. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && CONTENT_TYPE.test(contentType);
}

/** For the sole reading of a single header. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/**
 * Adds the headers of an answer. What belongs to the transport is left out, so that a handler which also serves HTTP may
 * name its content type.
 */
export function addResponseMetadata(into: OutgoingMetadata, headers: Headers): OutgoingMetadata {
  return addMetadata(
    into,
    [...headers].filter(([name]) => !RESERVED.test(String(name).toLowerCase())),
  );
}
