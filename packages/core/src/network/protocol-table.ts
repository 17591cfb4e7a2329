import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import { CONTRACT_VERSION } from "../contract/protocol.ts";
import type { AnyProtocol } from "./schemes.ts";

/** The protocols of one network, by scheme. */
export class ProtocolTable {
  readonly #byScheme = new Map<string, AnyProtocol>();
  readonly names: readonly string[];

  /** @throws PolywireError `incompatible`, or `invalid-argument` when two claim one name or scheme. */
  constructor(protocols: readonly AnyProtocol[]) {
    if (!Array.isArray(protocols))
      throw new PolywireError("invalid-argument", "a network needs its protocols: new Network({ protocols: [ws()] })");
    const names = new Set<string>();
    for (const protocol of protocols) {
      checkVersion(protocol);
      if (names.has(protocol.name)) {
        throw new PolywireError("invalid-argument", `protocol "${protocol.name}" is given twice: give it once`);
      }
      names.add(protocol.name);
      for (const scheme of protocol.schemes) this.#claim(scheme, protocol);
    }
    this.names = [...names];
  }

  /** @throws PolywireError `unknown-scheme` that lists the known ones. */
  find(endpoint: Endpoint): AnyProtocol {
    const protocol = this.#byScheme.get(endpoint.scheme);
    if (protocol !== undefined) return protocol;
    const known = [...this.#byScheme.keys()].join(", ");
    throw new PolywireError("unknown-scheme", `no protocol for "${endpoint}": this network knows ${known || "none"}`);
  }

  #claim(scheme: string, protocol: AnyProtocol): void {
    const other = this.#byScheme.get(scheme);
    if (other !== undefined) {
      const both = `both "${other.name}" and "${protocol.name}"`;
      throw new PolywireError("invalid-argument", `${both} claim the scheme "${scheme}": keep one of them`);
    }
    this.#byScheme.set(scheme, protocol);
  }
}

function checkVersion(protocol: AnyProtocol): void {
  if (protocol?.contractVersion === CONTRACT_VERSION) return;
  throw new PolywireError(
    "incompatible",
    `protocol "${String(protocol?.name)}" was built for contract version ${String(protocol?.contractVersion)}, ` +
      `this @polywire/core speaks ${CONTRACT_VERSION}: install matching versions of both`,
  );
}
