import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type Peer, type PeerCertificate, parseEndpoint } from "@polywire/core";

/** Longest request target that is looked at. */
const MAX_TARGET_LENGTH = 8_192;
/** Canonical as it stands, as nearly every target is: parsing it as a URL would cost a tenth of the whole handshake. */
const CANONICAL_TARGET = /^(\/[\w/~-]*)(?:\?([\w.~=&%-]*))?$/;

/** Path and query of a request, canonical, or nothing if it has none to speak of. */
export function requestTarget(request: IncomingMessage): { readonly path: string; readonly query: string } | undefined {
  const target = request.url ?? "";
  if (!target.startsWith("/") || target.length > MAX_TARGET_LENGTH) return undefined;
  const canonical = CANONICAL_TARGET.exec(target);
  if (canonical !== null) return { path: canonical[1] as string, query: canonical[2] ?? "" };
  try {
    // The same parser that made the listener's path canonical; the host stands in for the one that was left out.
    const { path, query } = parseEndpoint(`ws://host${target}`);
    return { path, query };
  } catch {
    return undefined;
  }
}

/** Everything an upgrade request says about its sender. */
export function requestPeer(request: IncomingMessage, target: { readonly path: string; readonly query: string }): Peer {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const { path, query } = target;
  return { ...socketPeer(request.socket), path, query, offeredSubprotocols: offered(headers), headers };
}

/** What a socket says about the other side. */
export function socketPeer(socket: Socket): Pick<Peer, "address" | "port" | "secure" | "certificate"> {
  const { remoteAddress: address, remotePort: port } = socket;
  const secure = socket instanceof TLSSocket;
  const known = { ...(address !== undefined && { address }), ...(port !== undefined && { port }), secure };
  const certificate = secure && socket.authorized ? peerCertificate(socket) : undefined;
  return certificate === undefined ? known : { ...known, certificate };
}

function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { subject, issuer, fingerprint256: fingerprint } = certificate;
  return { subject: oneLine(subject), issuer: oneLine(issuer), fingerprint };
}

/** Node puts each part of a name on a line of its own. */
function oneLine(name: string): string {
  return name.split("\n").join(", ");
}

function offered(headers: ReadonlyMap<string, string>): readonly string[] {
  const list = headers.get("sec-websocket-protocol");
  return list === undefined ? [] : list.split(",").map((name) => name.trim());
}

/** Answers a request that is no business of ours, or no good, and ends its connection. */
export function refuse(socket: Socket, status: number, reason: string): void {
  const body = `${reason}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    "X-Content-Type-Options: nosniff",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** The error handler of a socket that is nobody else's yet. */
export function destroySocket(this: Socket): void {
  this.destroy();
}
