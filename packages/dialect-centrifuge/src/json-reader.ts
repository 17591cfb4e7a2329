import { PolywireError } from "@polywire/core";
import type { FilterNode } from "@polywire/realtime";
import type { CommandReader } from "./codec.ts";
import { JsonScanner, type JsonScratch } from "./json-scanner.ts";
import {
  type Command,
  type ConnectRequest,
  type HistoryRequest,
  type PublishRequest,
  REQUEST_ORDER,
  type RequestKind,
  type StreamPosition,
  type SubscribeRequest,
  type TokenRequest,
} from "./message.ts";

const utf8 = new TextEncoder();

const MAX_FILTER_DEPTH = 32;

const MAX_ID = 0xffff_ffff;

/** What most connects have of everything: one for all of them. */
const NONE: ReadonlyMap<string, never> = new Map<string, never>();

type Request = Exclude<Command, { readonly kind: "pong" | "unknown" }>;

/** Reads commands off JSON text, one per line. Unknown fields are skipped, payloads are taken as the text they are. */
export class JsonCommandReader implements CommandReader {
  readonly #scanner: JsonScanner;
  #pending: boolean;

  constructor(text: string, scratch: JsonScratch) {
    this.#scanner = new JsonScanner(text, scratch);
    if (!this.#scanner.nextLine()) throw new PolywireError("protocol-violation", "the frame holds no command");
    this.#pending = true;
  }

  next(): Command | undefined {
    if (!this.#pending) return undefined;
    const command = readCommand(this.#scanner);
    this.#pending = this.#scanner.nextLine();
    return command;
  }
}

/** The whole of a text as one connect request. Unlike between commands, newlines are white space in it. */
export function readConnectRequest(text: string, scratch: JsonScratch): ConnectRequest {
  return new JsonScanner(text, scratch, { isWhole: true }).whole(readConnect);
}

function readCommand(scanner: JsonScanner): Command {
  let id = 0;
  let request: Request | undefined;
  let rank: number = REQUEST_ORDER.length;
  scanner.enterObject();
  for (let name = scanner.nextField(); name !== undefined; name = scanner.nextField()) {
    if (scanner.isNull()) continue;
    if (name === "id") {
      id = unsigned(scanner, MAX_ID);
      continue;
    }
    const position = REQUEST_ORDER.indexOf(name as RequestKind);
    if (position === -1 || position > rank) scanner.skip();
    else {
      request = readRequest(scanner, name as RequestKind);
      rank = position;
    }
  }
  if (request === undefined) return id === 0 ? { kind: "pong" } : { kind: "unknown", id };
  if (request.kind === "send") return request;
  // Requests are read before or after the id, so it is put in last.
  return id === 0 ? { kind: "unknown", id } : withId(request, id);
}

function withId(request: Exclude<Request, { readonly kind: "send" }>, id: number): Command {
  (request as { id: number }).id = id;
  return request;
}

function readRequest(scanner: JsonScanner, kind: RequestKind): Request {
  switch (kind) {
    case "connect":
      return { kind, id: 0, request: readConnect(scanner) };
    case "subscribe":
      return { kind, id: 0, request: readSubscribe(scanner) };
    case "publish":
      return { kind, id: 0, request: readPublish(scanner) };
    case "history":
      return { kind, id: 0, request: readHistory(scanner) };
    case "rpc":
      return readRpc(scanner);
    case "send":
      return readSend(scanner);
    case "unsubscribe":
    case "presence":
    case "presence_stats":
      return { kind, id: 0, channel: readToken(scanner).channel };
    case "refresh":
    case "sub_refresh":
      return { kind, id: 0, request: readToken(scanner) };
    case "ping":
      scanner.skip();
      return { kind, id: 0 };
  }
}

function readConnect(scanner: JsonScanner): ConnectRequest {
  let token = "";
  let data: Uint8Array | undefined;
  let name = "";
  let version = "";
  let subs: ConnectRequest["subs"] = NONE;
  let headers: ConnectRequest["headers"] = NONE;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (field === "data") data = utf8.encode(scanner.raw());
    else if (scanner.isNull()) continue;
    else if (field === "token") token = scanner.string();
    else if (field === "name") name = scanner.string();
    else if (field === "version") version = scanner.string();
    else if (field === "subs") subs = readMap(scanner, subs, readSubscribe);
    else if (field === "headers") headers = readMap(scanner, headers, readString);
    else scanner.skip();
  }
  return { token, data, subs, name, version, headers };
}

function readSubscribe(scanner: JsonScanner): SubscribeRequest {
  const request = {
    channel: "",
    token: "",
    recover: false,
    epoch: "",
    offset: 0,
    data: undefined as Uint8Array | undefined,
    positioned: false,
    recoverable: false,
    joinLeave: false,
    delta: "",
    filter: undefined as FilterNode | undefined,
    flag: 0,
    type: 0,
  };
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (field === "data") request.data = utf8.encode(scanner.raw());
    else if (scanner.isNull()) continue;
    else if (field === "channel") request.channel = scanner.string();
    else if (field === "token") request.token = scanner.string();
    else if (field === "recover") request.recover = scanner.boolean();
    else if (field === "epoch") request.epoch = scanner.string();
    else if (field === "offset") request.offset = unsigned(scanner);
    else if (field === "positioned") request.positioned = scanner.boolean();
    else if (field === "recoverable") request.recoverable = scanner.boolean();
    else if (field === "join_leave") request.joinLeave = scanner.boolean();
    else if (field === "delta") request.delta = scanner.string();
    else if (field === "flag") request.flag = scanner.integer();
    else if (field === "type") request.type = scanner.integer();
    else if (field === "tf") request.filter = readFilter(scanner, 1);
    else scanner.skip();
  }
  return request;
}

/** Nodes past the depth that any hub takes are left out, which leaves a filter that none takes. */
function readFilter(scanner: JsonScanner, depth: number): FilterNode {
  let op = "";
  let key = "";
  let cmp = "";
  let val = "";
  let vals: string[] = [];
  let nodes: FilterNode[] = [];
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (scanner.isNull()) continue;
    if (field === "op") op = scanner.string();
    else if (field === "key") key = scanner.string();
    else if (field === "cmp") cmp = scanner.string();
    else if (field === "val") val = scanner.string();
    else if (field === "vals") vals = scanner.list(readString);
    else if (field === "nodes" && depth < MAX_FILTER_DEPTH) nodes = scanner.list(() => readFilter(scanner, depth + 1));
    else scanner.skip();
  }
  return { op, key, cmp, val, vals, nodes };
}

function readPublish(scanner: JsonScanner): PublishRequest {
  let channel = "";
  let data: Uint8Array | undefined;
  let type = 0;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (field === "data") data = utf8.encode(scanner.raw());
    else if (scanner.isNull()) continue;
    else if (field === "channel") channel = scanner.string();
    else if (field === "type") type = scanner.integer();
    else scanner.skip();
  }
  return { channel, data, type };
}

function readHistory(scanner: JsonScanner): HistoryRequest {
  let channel = "";
  let limit = 0;
  let since: StreamPosition | undefined;
  let reverse = false;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (scanner.isNull()) continue;
    if (field === "channel") channel = scanner.string();
    else if (field === "limit") limit = scanner.integer();
    else if (field === "since") since = readPosition(scanner);
    else if (field === "reverse") reverse = scanner.boolean();
    else scanner.skip();
  }
  return { channel, limit, since, reverse };
}

function readPosition(scanner: JsonScanner): StreamPosition {
  let offset = 0;
  let epoch = "";
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (scanner.isNull()) continue;
    if (field === "offset") offset = unsigned(scanner);
    else if (field === "epoch") epoch = scanner.string();
    else scanner.skip();
  }
  return { offset, epoch };
}

function readRpc(scanner: JsonScanner): Request {
  let method = "";
  let data: Uint8Array | undefined;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (field === "data") data = utf8.encode(scanner.raw());
    else if (scanner.isNull()) continue;
    else if (field === "method") method = scanner.string();
    else scanner.skip();
  }
  return { kind: "rpc", id: 0, method, data };
}

function readSend(scanner: JsonScanner): Request {
  let data: Uint8Array | undefined;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (field === "data") data = utf8.encode(scanner.raw());
    else scanner.skip();
  }
  return { kind: "send", data };
}

function readToken(scanner: JsonScanner): TokenRequest {
  let channel = "";
  let token = "";
  let type = 0;
  scanner.enterObject();
  for (let field = scanner.nextField(); field !== undefined; field = scanner.nextField()) {
    if (scanner.isNull()) continue;
    if (field === "channel") channel = scanner.string();
    else if (field === "token") token = scanner.string();
    else if (field === "type") type = scanner.integer();
    else scanner.skip();
  }
  return { channel, token, type };
}

/** `earlier`: what a field of the same name has said. */
function readMap<Value>(
  scanner: JsonScanner,
  earlier: ReadonlyMap<string, Value>,
  read: (scanner: JsonScanner) => Value,
): ReadonlyMap<string, Value> {
  const map = new Map(earlier);
  scanner.enterObject();
  for (let key = scanner.nextField(); key !== undefined; key = scanner.nextField()) {
    if (!scanner.isNull()) map.set(key, read(scanner));
  }
  return map;
}

function readString(scanner: JsonScanner): string {
  return scanner.string();
}

function unsigned(scanner: JsonScanner, max: number = Number.MAX_SAFE_INTEGER): number {
  const value = scanner.integer();
  if (value < 0 || value > max)
    throw new PolywireError("protocol-violation", `malformed JSON: ${value} is out of range`);
  return value;
}
