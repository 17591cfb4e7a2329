import { type Link, type Payload, PolywireError } from "@polywire/core";
import type { EncodingName } from "./codec.ts";
import { EmulatedLink } from "./emulated-link.ts";
import { type ProtobufLibrary, text } from "./protobuf-library.ts";
import type { Identity } from "./results.ts";

/** One request of a client whose replies go down a stream. */
export interface EmulationRequest {
  readonly node: string;
  readonly session: string;
  readonly data: Payload;
}

/**
 * The streams of one handler, by the secret that only their client knows, and the way to them for what those clients send.
 */
export class Emulation {
  /** Names this handler to its clients. */
  readonly node: string = globalThis.crypto.randomUUID();
  readonly #links = new Map<string, EmulatedLink>();
  readonly #maxWaitingBytes: number;

  constructor(maxWaitingBytes: number) {
    this.#maxWaitingBytes = maxWaitingBytes;
  }

  /** Streams that clients can send requests for. */
  get size(): number {
    return this.#links.size;
  }

  /** @param preamble is sent before everything else. */
  open(stream: Link, preamble?: string): { readonly link: EmulatedLink; readonly identity: Identity } {
    const session = globalThis.crypto.randomUUID();
    const ended = (): void => void this.#links.delete(session);
    const link = new EmulatedLink(stream, { maxWaitingBytes: this.#maxWaitingBytes, preamble, ended });
    this.#links.set(session, link);
    return { link, identity: { session, node: this.node } };
  }

  /** Hands the commands to their session; false for a node that is not this one. A session that has gone misses nothing. */
  take({ node, session, data }: EmulationRequest): boolean {
    if (node !== this.node) return false;
    this.#links.get(session)?.receive(data);
    return true;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @throws PolywireError `protocol-violation` when the body is no emulation request. */
export function readEmulationRequest(
  body: Uint8Array,
  encoding: EncodingName,
  library: () => ProtobufLibrary,
): EmulationRequest {
  if (encoding === "json") return fromJson(body);
  const request = library().decodeEmulation(body);
  return { node: text(request, "node"), session: text(request, "session"), data: request["data"] as Uint8Array };
}

function fromJson(body: Uint8Array): EmulationRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(body));
  } catch (cause) {
    throw new PolywireError("protocol-violation", "the body of an emulation request is no JSON", { cause });
  }
  if (typeof parsed === "object" && parsed !== null) {
    const { node, session, data } = parsed as Partial<EmulationRequest>;
    if (typeof node === "string" && typeof session === "string" && typeof data === "string") {
      return { node, session, data };
    }
  }
  throw new PolywireError("protocol-violation", "an emulation request has the texts node, session and data");
}
