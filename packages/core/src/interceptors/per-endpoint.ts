import type { InterceptorHost } from "../connection/interceptors.ts";

/** Most endpoints of one network that are remembered. Past it the one that was used the longest ago is forgotten. */
const MAX_ENDPOINTS = 1_000;

/** One of something for each endpoint of each network, made when it is first asked for. */
export class PerEndpoint<One> {
  readonly #make: (host: InterceptorHost, endpoint: string) => One;
  readonly #networks = new WeakMap<InterceptorHost, Map<string, One>>();

  constructor(make: (host: InterceptorHost, endpoint: string) => One) {
    this.#make = make;
  }

  of(host: InterceptorHost, endpoint: string): One {
    let ones = this.#networks.get(host);
    if (ones === undefined) {
      ones = new Map();
      this.#networks.set(host, ones);
    }
    const one = ones.get(endpoint) ?? this.#make(host, endpoint);
    // Last in the map is what was used last.
    ones.delete(endpoint);
    ones.set(endpoint, one);
    if (ones.size > MAX_ENDPOINTS) ones.delete(ones.keys().next().value as string);
    return one;
  }
}
