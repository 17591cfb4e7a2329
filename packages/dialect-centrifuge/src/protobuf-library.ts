import { type ClientInfo, PolywireError, type Publication } from "@polywire/core";
import protobuf from "protobufjs/light.js";
import type { Telling } from "./codec.ts";
import { SCHEMA } from "./generated/protobuf-schema.ts";
import type { ConnectResult, Expiry, SubscribePush, SubscribeResult } from "./message.ts";

const PACKAGE = "centrifugal.centrifuge.protocol";

/** A message of the schema in the library's form. Absent fields read as their zero value, absent messages as null. */
export interface WireMessage {
  readonly [field: string]: unknown;
}

export interface MessageType {
  encode(message: WireMessage): { finish(): Uint8Array };
  encodeDelimited(message: WireMessage): { finish(): Uint8Array };
  decode(bytes: Uint8Array): WireMessage;
}

/** The message types that travel on their own. Compiling them takes some milliseconds. */
export class ProtobufLibrary {
  readonly reply: MessageType;
  readonly push: MessageType;
  readonly #command: MessageType;
  readonly #connect: MessageType;
  readonly #emulation: MessageType;

  constructor() {
    const root = protobuf.Root.fromJSON(SCHEMA);
    const type = (name: string): MessageType => root.lookupType(`${PACKAGE}.${name}`);
    this.reply = type("Reply");
    this.push = type("Push");
    this.#command = type("Command");
    this.#connect = type("ConnectRequest");
    this.#emulation = type("EmulationRequest");
  }

  decodeCommand(bytes: Uint8Array): WireMessage {
    return decode(this.#command, bytes, "command");
  }

  decodeConnect(bytes: Uint8Array): WireMessage {
    return decode(this.#connect, bytes, "connect request");
  }

  decodeEmulation(bytes: Uint8Array): WireMessage {
    return decode(this.#emulation, bytes, "emulation request");
  }
}

function decode(type: MessageType, bytes: Uint8Array, what: string): WireMessage {
  try {
    return type.decode(bytes);
  } catch (cause) {
    throw new PolywireError("protocol-violation", `malformed Protobuf ${what}`, { cause });
  }
}

/** The library writes what is set, the protocol wants zero values left out. */
export function unlessZero<Value extends string | number | boolean>(value: Value | undefined): Value | undefined {
  return value === undefined || value === "" || value === 0 || value === false ? undefined : value;
}

export function unlessEmpty(data: Uint8Array | undefined): Uint8Array | undefined {
  return data === undefined || data.length === 0 ? undefined : data;
}

function record<Value>(entries: ReadonlyMap<string, Value>, convert: (value: Value) => unknown): object {
  return Object.fromEntries(Array.from(entries, ([key, value]) => [key, convert(value)]));
}

export function wireClientInfo(info: ClientInfo): WireMessage {
  return {
    user: unlessZero(info.user),
    client: unlessZero(info.client),
    conn_info: unlessEmpty(info.connectionInfo),
    chan_info: unlessEmpty(info.channelInfo),
  };
}

export function wirePublication(publication: Publication, telling?: Telling): WireMessage {
  const patch = telling?.patch;
  return {
    data: unlessEmpty(patch ?? publication.data),
    info: publication.info === undefined ? undefined : wireClientInfo(publication.info),
    offset: unlessZero(publication.offset),
    tags: publication.tags === undefined ? undefined : record(publication.tags, String),
    time: unlessZero(publication.time),
    epoch: unlessZero(telling?.epoch),
    delta: patch === undefined ? undefined : true,
  };
}

export function wireExpiry(expiry: Expiry): WireMessage {
  return { expires: unlessZero(expiry.expires), ttl: unlessZero(expiry.ttl) };
}

export function wireConnectResult(result: ConnectResult): WireMessage {
  return {
    ...wireExpiry(result),
    client: unlessZero(result.client),
    version: unlessZero(result.version),
    data: unlessEmpty(result.data),
    subs: result.subs === undefined ? undefined : record(result.subs, wireSubscribeResult),
    ping: unlessZero(result.ping),
    pong: unlessZero(result.pong),
    session: unlessZero(result.session),
    node: unlessZero(result.node),
    time: unlessZero(result.time),
  };
}

export function wireSubscribeResult(result: SubscribeResult): WireMessage {
  return {
    ...wireExpiry(result),
    ...wireSubscribePush(result),
    publications: result.publications?.map((publication) => wirePublication(publication)),
    recovered: unlessZero(result.recovered),
    was_recovering: unlessZero(result.wasRecovering),
    delta: unlessZero(result.delta),
    id: unlessZero(result.id),
  };
}

export function wireSubscribePush(subscription: SubscribePush): WireMessage {
  return {
    recoverable: unlessZero(subscription.recoverable),
    epoch: unlessZero(subscription.epoch),
    offset: unlessZero(subscription.offset),
    positioned: unlessZero(subscription.positioned),
    data: unlessEmpty(subscription.data),
  };
}

export function wirePresence(members: readonly ClientInfo[]): object {
  return Object.fromEntries(members.map((info) => [info.client, wireClientInfo(info)]));
}

/** Fields read from a decoded message; the schema promises their types, so a wrong one is a wrong name here. */
export function text(message: WireMessage, field: string): string {
  return message[field] as string;
}

export function flag(message: WireMessage, field: string): boolean {
  return message[field] as boolean;
}

/** 64-bit integers come as numbers, clamped to ±(2⁵³−1). */
export function integer(message: WireMessage, field: string): number {
  const value = message[field] as number | { toNumber(): number };
  if (typeof value === "number") return value;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value.toNumber()));
}

/** Bytes of a payload, copied: the frame they lie in is borrowed. */
export function data(message: WireMessage, field: string): Uint8Array | undefined {
  const bytes = message[field] as Uint8Array;
  return bytes.length === 0 ? undefined : new Uint8Array(bytes);
}

export function child(message: WireMessage, field: string): WireMessage | undefined {
  return (message[field] as WireMessage | null) ?? undefined;
}

export function entries<Value>(message: WireMessage, field: string): Iterable<[string, Value]> {
  return Object.entries(message[field] as Record<string, Value>);
}
