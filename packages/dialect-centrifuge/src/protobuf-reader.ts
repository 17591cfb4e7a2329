import { PolywireError } from "@polywire/core";
import type { FilterNode } from "@polywire/realtime";
import type { CommandReader } from "./codec.ts";
import {
  type Command,
  type ConnectRequest,
  REQUEST_ORDER,
  type RequestKind,
  type SubscribeRequest,
  type TokenRequest,
} from "./message.ts";
import {
  child,
  data,
  entries,
  flag,
  integer,
  type ProtobufLibrary,
  text,
  type WireMessage,
} from "./protobuf-library.ts";

/** A length takes 32 bits at most: five bytes of seven. */
const MAX_LENGTH_BYTES = 5;

const MAX_FILTER_DEPTH = 32;

/** Reads commands off bytes, each after its length. Nothing is allocated before a length was found to be there. */
export class ProtobufCommandReader implements CommandReader {
  readonly #bytes: Uint8Array;
  readonly #library: ProtobufLibrary;
  #position = 0;

  constructor(bytes: Uint8Array, library: ProtobufLibrary) {
    if (bytes.length === 0) throw new PolywireError("protocol-violation", "the frame holds no command");
    this.#bytes = bytes;
    this.#library = library;
  }

  next(): Command | undefined {
    if (this.#position === this.#bytes.length) return undefined;
    const length = this.#length();
    const start = this.#position;
    const end = start + length;
    if (end > this.#bytes.length) {
      const rest = this.#bytes.length - start;
      throw new PolywireError("protocol-violation", `a command of ${length} bytes is announced, ${rest} are there`);
    }
    this.#position = end;
    if (length === 0) return { kind: "pong" };
    return toCommand(this.#library.decodeCommand(this.#bytes.subarray(start, end)));
  }

  #length(): number {
    let length = 0;
    for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) throw new PolywireError("protocol-violation", "the frame ends inside a length");
      length += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return length;
    }
    throw new PolywireError("protocol-violation", `a length takes more than ${MAX_LENGTH_BYTES} bytes`);
  }
}

/** One decoded command. */
export function toCommand(message: WireMessage): Command {
  const id = integer(message, "id");
  for (const kind of REQUEST_ORDER) {
    const request = child(message, kind);
    if (request === undefined) continue;
    if (kind === "send") return { kind, data: data(request, "data") };
    return id === 0 ? { kind: "unknown", id } : toRequest(kind, id, request);
  }
  return id === 0 ? { kind: "pong" } : { kind: "unknown", id };
}

function toRequest(kind: Exclude<RequestKind, "send">, id: number, request: WireMessage): Command {
  switch (kind) {
    case "connect":
      return { kind, id, request: toConnect(request) };
    case "subscribe":
      return { kind, id, request: toSubscribe(request) };
    case "publish": {
      const channel = text(request, "channel");
      return { kind, id, request: { channel, data: data(request, "data"), type: integer(request, "type") } };
    }
    case "history": {
      const since = child(request, "since");
      return {
        kind,
        id,
        request: {
          channel: text(request, "channel"),
          limit: integer(request, "limit"),
          since: since === undefined ? undefined : { offset: integer(since, "offset"), epoch: text(since, "epoch") },
          reverse: flag(request, "reverse"),
        },
      };
    }
    case "rpc":
      return { kind, id, method: text(request, "method"), data: data(request, "data") };
    case "unsubscribe":
    case "presence":
    case "presence_stats":
      return { kind, id, channel: text(request, "channel") };
    case "refresh":
      return { kind, id, request: { channel: "", token: text(request, "token"), type: 0 } };
    case "sub_refresh":
      return { kind, id, request: toSubRefresh(request) };
    case "ping":
      return { kind, id };
  }
}

export function toConnect(request: WireMessage): ConnectRequest {
  const subs = new Map<string, SubscribeRequest>();
  for (const [channel, sub] of entries<WireMessage>(request, "subs")) subs.set(channel, toSubscribe(sub));
  return {
    token: text(request, "token"),
    data: data(request, "data"),
    subs,
    name: text(request, "name"),
    version: text(request, "version"),
    headers: new Map(entries<string>(request, "headers")),
  };
}

function toSubscribe(request: WireMessage): SubscribeRequest {
  return {
    channel: text(request, "channel"),
    token: text(request, "token"),
    recover: flag(request, "recover"),
    epoch: text(request, "epoch"),
    offset: integer(request, "offset"),
    data: data(request, "data"),
    positioned: flag(request, "positioned"),
    recoverable: flag(request, "recoverable"),
    joinLeave: flag(request, "join_leave"),
    delta: text(request, "delta"),
    filter: toFilter(child(request, "tf"), 1),
    flag: integer(request, "flag"),
    type: integer(request, "type"),
  };
}

/** Nodes past the depth that any hub takes are left out, which leaves a filter that none takes. */
function toFilter(node: WireMessage | undefined, depth: number): FilterNode | undefined {
  if (node === undefined) return undefined;
  const nodes = node["nodes"] as readonly WireMessage[];
  return {
    op: text(node, "op"),
    key: text(node, "key"),
    cmp: text(node, "cmp"),
    val: text(node, "val"),
    vals: node["vals"] as readonly string[],
    nodes: depth === MAX_FILTER_DEPTH ? [] : nodes.map((each) => toFilter(each, depth + 1) as FilterNode),
  };
}

function toSubRefresh(request: WireMessage): TokenRequest {
  return { channel: text(request, "channel"), token: text(request, "token"), type: integer(request, "type") };
}
