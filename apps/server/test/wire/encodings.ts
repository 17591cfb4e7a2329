import type { Payload } from "@polywire/core";
import protobuf from "protobufjs";
import { SCHEMA } from "./schema.ts";

/** A command in the words of the protocol; data are any values that JSON has, or bytes. */
export type Command = Readonly<Record<string, unknown>>;

interface ClientInfo {
  readonly user?: string;
  readonly client?: string;
  readonly conn_info?: unknown;
  readonly chan_info?: unknown;
}

export interface Publication {
  readonly data?: unknown;
  readonly info?: ClientInfo;
  readonly offset?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly delta?: boolean;
  readonly epoch?: string;
}

/** How long something lasts, in seconds. */
interface Expiry {
  readonly expires?: boolean;
  readonly ttl?: number;
}

export interface SubscribeResult extends Expiry {
  readonly recoverable?: boolean;
  readonly positioned?: boolean;
  readonly epoch?: string;
  readonly offset?: number;
  readonly recovered?: boolean;
  readonly was_recovering?: boolean;
  readonly publications?: readonly Publication[];
  readonly data?: unknown;
  readonly delta?: boolean;
  readonly id?: number;
}

interface ConnectResult extends Expiry {
  readonly client?: string;
  readonly version?: string;
  readonly data?: unknown;
  readonly subs?: Readonly<Record<string, SubscribeResult>>;
  readonly ping?: number;
  readonly pong?: boolean;
  readonly session?: string;
  readonly node?: string;
}

export interface HistoryResult {
  readonly publications?: readonly Publication[];
  readonly epoch?: string;
  readonly offset?: number;
}

interface Push {
  readonly id?: number;
  readonly channel?: string;
  readonly pub?: Publication;
  readonly join?: { readonly info?: ClientInfo };
  readonly leave?: { readonly info?: ClientInfo };
  readonly unsubscribe?: { readonly code?: number; readonly reason?: string };
  readonly subscribe?: SubscribeResult;
  readonly message?: { readonly data?: unknown };
  readonly disconnect?: { readonly code?: number; readonly reason?: string };
}

/** A reply or push as it came. Zero values are absent from the wire, but for those that the protocol never leaves out. */
export interface Reply {
  readonly id?: number;
  readonly error?: { readonly code?: number; readonly message?: string; readonly temporary?: boolean };
  readonly connect?: ConnectResult;
  readonly subscribe?: SubscribeResult;
  readonly unsubscribe?: object;
  readonly publish?: object;
  readonly presence?: { readonly presence?: Readonly<Record<string, ClientInfo>> };
  readonly presence_stats?: { readonly num_clients?: number; readonly num_users?: number };
  readonly history?: HistoryResult;
  readonly rpc?: { readonly data?: unknown };
  readonly refresh?: Expiry;
  readonly sub_refresh?: Expiry;
  readonly push?: Push;
}

/** One of the two ways to write the protocol, as a client writes and reads it. */
export interface Encoding {
  readonly name: "json" | "protobuf";
  /** What a client adds to the address to ask for it. */
  readonly query: string;
  /** One frame. */
  encode(...commands: readonly Command[]): Payload;
  decode(frame: Payload): readonly Reply[];
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export const json: Encoding = {
  name: "json",
  query: "",
  encode: (...commands) => commands.map((command) => JSON.stringify(command)).join("\n"),
  decode(frame) {
    const text = typeof frame === "string" ? frame : decoder.decode(frame);
    return text.split("\n").map((line) => JSON.parse(line) as Reply);
  },
};

const { root } = protobuf.parse(SCHEMA, { keepCase: true });
const commandType = root.lookupType("Command");
const replyType = root.lookupType("Reply");

export const protobufEncoding: Encoding = {
  name: "protobuf",
  query: "?format=protobuf",
  encode(...commands) {
    const frames = commands.map((command) =>
      commandType.encodeDelimited(mapData(command, toBytes) as Command).finish(),
    );
    return new Uint8Array(Buffer.concat(frames));
  },
  decode(frame) {
    if (typeof frame === "string") throw new Error(`text on a Protobuf link: ${frame}`);
    const reader = protobuf.Reader.create(frame);
    const found: Reply[] = [];
    while (reader.pos < reader.len) {
      const reply = replyType.toObject(replyType.decodeDelimited(reader), { longs: Number });
      found.push(mapData(reply, fromBytes) as Reply);
    }
    return found;
  },
};

export const encodings: readonly Encoding[] = [json, protobufEncoding];

/** Fields that are bytes in Protobuf and any value in JSON. */
const DATA_FIELDS: ReadonlySet<string> = new Set(["data", "conn_info", "chan_info"]);

function mapData(value: unknown, convert: (data: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapData(item, convert));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      DATA_FIELDS.has(name) ? convert(field) : mapData(field, convert),
    ]),
  );
}

function toBytes(data: unknown): Uint8Array {
  return data instanceof Uint8Array ? data : Buffer.from(JSON.stringify(data));
}

/** JSON text as the value it stands for; anything else as the bytes it is. */
function fromBytes(data: unknown): unknown {
  try {
    return JSON.parse(decoder.decode(data as Uint8Array)) as unknown;
  } catch {
    return new Uint8Array(data as Uint8Array);
  }
}
