import type { Headers, Peer, PeerCertificate } from "@polywire/core";
import type { Origin } from "@polywire/realtime";

export interface OriginDetails {
  /** The protocol, or the form of it: `ws`, `http_stream`. */
  readonly transport: string;
  readonly encoding: string;
  /** Those of the request that the program wants; a link's peer has them itself. */
  readonly headers?: Headers;
}

/** Where a client comes from, looked up when somebody asks. */
export class ClientOrigin implements Origin {
  readonly transport: string;
  readonly encoding: string;
  readonly #peer: Peer;
  readonly #headers: Headers | undefined;

  constructor(peer: Peer, { transport, encoding, headers }: OriginDetails) {
    this.#peer = peer;
    this.transport = transport;
    this.encoding = encoding;
    this.#headers = headers;
  }

  get address(): string | undefined {
    return this.#peer.address;
  }

  get headers(): Headers | undefined {
    return this.#headers ?? this.#peer.headers;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#peer.certificate;
  }
}
