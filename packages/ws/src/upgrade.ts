import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { parseEndpoint } from "@polywire/core";

/** Longest request target that is looked at. */
const MAX_TARGET_LENGTH = 8_192;
/** Canonical as it stands, as nearly every target is: parsing it as a URL would cost a tenth of the whole handshake. */
const CANONICAL_TARGET = /^(\/[\w/~-]*)(?:\?([\w.~=&%-]*))?$/;

/** Where a request goes, canonical. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

/** Path and query of a request, canonical, or nothing if it has none to speak of. */
export function requestTarget(request: IncomingMessage): Target | undefined {
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

/** A refusal that will not last: who comes back a second later may be let in. */
const LATER = 503;

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
  if (status === LATER) head.push("Retry-After: 1");
  socket.on("error", destroySocket);
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** The error handler of a socket that is nobody else's yet. */
export function destroySocket(this: Socket): void {
  this.destroy();
}
