// What OpenTelemetry's semantic conventions say of a span, version 1.45: HTTP, RPC and network attributes.

import type { Attributes } from "@opentelemetry/api";
import { parseEndpoint } from "@polywire/core";
import { isServerFault, rpcStatusName } from "./rpc-status.ts";

/** Methods that are told by name: RFC 9110 and PATCH. A peer chooses its methods, and must not choose how many spans' names there are. */
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
]);

const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([
  ["http", 80],
  ["ws", 80],
  ["https", 443],
  ["wss", 443],
]);

export interface SpanStart {
  readonly name: string;
  readonly attributes: Attributes;
}

/** How a span ended. */
export interface SpanEnd {
  readonly attributes: Attributes;
  readonly isError: boolean;
}

/** Who is asked, by URL: what a span of the asking side begins with. */
export function serverAttributes(endpoint: string): Attributes {
  const { scheme, host, port = DEFAULT_PORTS.get(scheme) } = parseEndpoint(endpoint);
  return {
    ...(host !== "" && { "server.address": host }),
    ...(port !== undefined && port !== 0 && { "server.port": port }),
  };
}

/** A full method name is an RPC's: `/package.Service/Method`. */
export function isRpc(method: string): boolean {
  return method.startsWith("/");
}

export function rpcStart(method: string, protocol: string): SpanStart {
  const name = method.slice(1);
  return { name, attributes: { "rpc.system.name": protocol, "rpc.method": name } };
}

export function httpStart(method: string): SpanStart {
  if (METHODS.has(method)) return { name: method, attributes: { "http.request.method": method } };
  return {
    name: "HTTP",
    attributes: { "http.request.method": "_OTHER", "http.request.method_original": method.slice(0, 64) },
  };
}

/** A URL without its query, which may carry anything. */
export function urlWithoutQuery(endpoint: string, path: string | undefined): string {
  const [place = ""] = endpoint.split(/[?#]/, 1);
  if (path === undefined) return place;
  const [origin = place] = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i.exec(place) ?? [];
  return `${origin}${path.split(/[?#]/, 1)[0] ?? ""}`;
}

/** @param told The number of the code, where the wire told one. */
export function rpcEnd(side: "client" | "server", status: number, told: string | undefined): SpanEnd {
  const code = rpcStatusName(status, told);
  const isError = side === "client" ? code !== "OK" : isServerFault(code);
  return { isError, attributes: { "rpc.response.status_code": code, ...(isError && { "error.type": code }) } };
}

export function httpEnd(side: "client" | "server", status: number): SpanEnd {
  const isError = status >= (side === "client" ? 400 : 500);
  return {
    isError,
    attributes: { "http.response.status_code": status, ...(isError && { "error.type": String(status) }) },
  };
}
