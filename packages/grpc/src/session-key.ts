import { createHash, type Hash } from "node:crypto";
import type { Endpoint, LinkLimits } from "@polywire/core";
import type { CompleteDialOptions } from "./options.ts";
import { defaultPort } from "./server.ts";

/** Deeper than any option of `tls.connect` goes. */
const MAX_DEPTH = 4;

/** Numbers for objects that can only be compared by what they are. */
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/**
 * What two links have to have in common to share a connection: the server, who we are to it by TLS, and how the connection
 * itself is to behave. A digest, for certificates and keys go into it.
 */
export function sessionKey(
  endpoint: Endpoint,
  { options, limits }: { readonly options: CompleteDialOptions; readonly limits: LinkLimits },
): string {
  const { scheme, host, port = defaultPort(endpoint) } = endpoint;
  const { headers: _headers, awaitServer: _awaitServer, ...ofTheConnection } = options;
  const hash = createHash("sha256");
  addValue(hash, [scheme, host, port, limits.closeTimeoutMs, ofTheConnection], 0);
  return hash.digest("base64");
}

/** Values of equal content are equal; functions, contexts and key objects only if they are the same one. */
function addValue(hash: Hash, value: unknown, depth: number): void {
  if (typeof value === "function" || (typeof value === "object" && value !== null)) addObject(hash, value, depth);
  else addText(hash, typeof value, String(value));
}

function addObject(hash: Hash, value: object, depth: number): void {
  if (value instanceof Uint8Array) {
    addText(hash, "bytes", String(value.byteLength));
    hash.update(value);
  } else if (Array.isArray(value) && depth < MAX_DEPTH) {
    addText(hash, "array", String(value.length));
    for (const item of value) addValue(hash, item, depth + 1);
  } else if (isPlain(value) && depth < MAX_DEPTH) {
    const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
    addText(hash, "object", String(entries.length));
    for (const [name, item] of entries) {
      addText(hash, "name", name);
      addValue(hash, item, depth + 1);
    }
  } else {
    addText(hash, "identity", String(identityOf(value)));
  }
}

/** With its length before it, so that no two lists of values look alike. */
function addText(hash: Hash, kind: string, text: string): void {
  hash.update(`${kind} ${text.length} ${text}`);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function identityOf(value: object): number {
  const known = identities.get(value) ?? ++lastIdentity;
  identities.set(value, known);
  return known;
}
