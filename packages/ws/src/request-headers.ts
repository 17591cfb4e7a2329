import type { IncomingHttpHeaders } from "node:http";

/**
 * The headers of a request, by name in lower case. They are put into a map of their own only for who wants all of them:
 * most handshakes are asked for one or two, and the map would cost as much as everything else about their peer.
 */
export class RequestHeaders implements ReadonlyMap<string, string> {
  readonly #headers: IncomingHttpHeaders;
  #all: ReadonlyMap<string, string> | undefined = undefined;

  constructor(headers: IncomingHttpHeaders) {
    this.#headers = headers;
  }

  get(name: string): string | undefined {
    return Object.hasOwn(this.#headers, name) ? joined(this.#headers[name]) : undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get size(): number {
    return this.#map.size;
  }

  entries(): MapIterator<[string, string]> {
    return this.#map.entries();
  }

  keys(): MapIterator<string> {
    return this.#map.keys();
  }

  values(): MapIterator<string> {
    return this.#map.values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }

  forEach(callback: (value: string, name: string, headers: ReadonlyMap<string, string>) => void, self?: unknown): void {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  get #map(): ReadonlyMap<string, string> {
    this.#all ??= new Map(
      Object.keys(this.#headers).flatMap((name) => {
        const value = this.get(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
    return this.#all;
  }
}

/** Node makes a list of the lines of a header that may not be joined; here they are. */
function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value.join(", ") : value;
}
