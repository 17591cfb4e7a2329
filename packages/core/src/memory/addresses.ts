import { type Endpoint, withPort } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";

const FIRST_FREE_PORT = 49_152;
const LAST_PORT = 65_535;

/** Who listens where, within one in-memory protocol. An address is host, port and path. */
export class MemoryAddresses<Listening> {
  readonly #listening = new Map<string, Listening>();
  #nextPort = FIRST_FREE_PORT;

  /**
   * Returns the endpoint with a port in place of port 0.
   *
   * @throws PolywireError `address-in-use`.
   */
  bind(endpoint: Endpoint, listening: Listening): Endpoint {
    const bound = endpoint.port === 0 ? this.#withFreePort(endpoint) : endpoint;
    const key = keyOf(bound);
    if (this.#listening.has(key))
      throw new PolywireError("address-in-use", `"${bound}" is listened on already: close that listener first`);
    this.#listening.set(key, listening);
    return bound;
  }

  free(bound: Endpoint, listening: Listening): void {
    if (this.#listening.get(keyOf(bound)) === listening) this.#listening.delete(keyOf(bound));
  }

  /** @throws PolywireError `connection-refused`. */
  find(endpoint: Endpoint): Listening {
    const listening = this.#listening.get(keyOf(endpoint));
    if (listening === undefined)
      throw new PolywireError("connection-refused", `nobody listens at "${endpoint}": listen there first`);
    return listening;
  }

  #withFreePort(endpoint: Endpoint): Endpoint {
    for (let tries = FIRST_FREE_PORT; tries <= LAST_PORT; tries++) {
      const candidate = withPort(endpoint, this.#nextPort);
      this.#nextPort = this.#nextPort === LAST_PORT ? FIRST_FREE_PORT : this.#nextPort + 1;
      if (!this.#listening.has(keyOf(candidate))) return candidate;
    }
    throw new PolywireError("limit-reached", `no free port for "${endpoint}": close a listener`);
  }
}

function keyOf({ host, port, path }: Endpoint): string {
  return `${host}:${port ?? ""}${path === "" ? "/" : path}`;
}
