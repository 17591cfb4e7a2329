import { type ClientInfo, PolywireError, type Publication } from "@polywire/core";
import protobuf from "protobufjs/light.js";
import { API_SCHEMA } from "../generated/api-schema.ts";
import {
  integer,
  type MessageType,
  unlessZero,
  type WireMessage,
  wireClientInfo,
  wirePublication,
} from "../protobuf-library.ts";
import type { ApiData, Choice, Fields, Shape, Values } from "./fields.ts";
import { textOf } from "./read-json.ts";

/** The package of `api.proto`. */
export const API_PACKAGE = "polywire.api.v1";

const NO_DATA: ApiData = { bytes: new Uint8Array(0), format: undefined };

/** Requests and results in Protobuf. The types are compiled with the first message, which takes some milliseconds. */
export class ProtobufMessages {
  readonly #types = new Map<string, MessageType>();
  #root: protobuf.Root | undefined = undefined;

  /** @throws PolywireError `protocol-violation`. */
  read(bytes: Uint8Array, typeName: string, fields: Fields): Values {
    let message: WireMessage;
    try {
      message = this.#type(typeName).decode(bytes);
    } catch (cause) {
      throw new PolywireError("protocol-violation", `malformed Protobuf ${typeName}`, { cause });
    }
    return readFields(message, fields);
  }

  write(values: Values, typeName: string, fields: Fields): Uint8Array {
    return this.#type(typeName).encode(writeFields(values, fields)).finish();
  }

  #type(name: string): MessageType {
    let type = this.#types.get(name);
    if (type === undefined) {
      this.#root ??= protobuf.Root.fromJSON(API_SCHEMA);
      type = this.#root.lookupType(`${API_PACKAGE}.${name}`);
      this.#types.set(name, type);
    }
    return type;
  }
}

/** `HistoryRemove` for `history_remove`: what a method is called in Protobuf. */
export function protobufName(method: string): string {
  return method.replaceAll(/(?:^|_)([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

function readFields(message: WireMessage, fields: Fields): Values {
  const values: Record<string, unknown> = {};
  for (const [name, { shape, isRequired }] of Object.entries(fields)) {
    // What the library read is the message's own; the rest are defaults.
    if (Object.hasOwn(message, name)) values[name] = readValue(message[name], shape, name);
    // Bytes that are not sent are none: a publication may have none.
    if (shape.kind === "data" && isRequired) values[name] ??= NO_DATA;
  }
  return values;
}

function readValue(value: unknown, shape: Shape, name: string): unknown {
  switch (shape.kind) {
    case "text":
      return textOf(value as string, shape.mayBeEmpty);
    case "count":
    case "integer":
      return readInteger(value, shape.kind, name);
    case "flag":
      return value;
    case "data":
      return readData(value as Uint8Array);
    case "list":
      return (value as readonly unknown[]).map((one) => readValue(one, shape.of, name));
    case "map":
      return new Map(
        Object.entries(value as Record<string, unknown>).map(([key, one]) => [key, readValue(one, shape.of, name)]),
      );
    case "object":
      return readFields(value as WireMessage, shape.fields);
    case "choice":
      return readChoice(value as WireMessage, shape.fields, name);
    case "publication":
    case "client":
      throw new TypeError("no request holds one");
  }
}

/** The request's memory is borrowed. */
function readData(bytes: Uint8Array): ApiData | undefined {
  return bytes.length === 0 ? undefined : { bytes: new Uint8Array(bytes), format: undefined };
}

function readInteger(value: unknown, kind: "count" | "integer", name: string): number {
  const number = integer({ value }, "value");
  if (kind === "count" && number < 0) {
    throw new PolywireError("protocol-violation", `${name} is ${number}: give 0 or a positive integer`);
  }
  return number;
}

function readChoice(message: WireMessage, fields: Fields, name: string): Choice {
  const [chosen, second] = Object.keys(fields).filter((one) => Object.hasOwn(message, one));
  if (chosen === undefined || second !== undefined) {
    throw new PolywireError("protocol-violation", `${name}: give exactly one of ${Object.keys(fields).join(", ")}`);
  }
  return { name: chosen, value: readValue(message[chosen], (fields[chosen] as Fields[string]).shape, chosen) };
}

function writeFields(values: Values, fields: Fields): WireMessage {
  const message: Record<string, unknown> = {};
  for (const [name, { shape }] of Object.entries(fields)) {
    const value = writeValue(values[name], shape);
    if (value !== undefined) message[name] = value;
  }
  return message;
}

function writeValue(value: unknown, shape: Shape): unknown {
  if (value === undefined) return undefined;
  switch (shape.kind) {
    case "text":
    case "count":
    case "integer":
    case "flag":
      return unlessZero(value as string | number | boolean);
    case "list":
      return (value as readonly unknown[]).map((one) => writeValue(one, shape.of));
    case "map":
      return Object.fromEntries(
        Array.from(value as ReadonlyMap<string, unknown>, ([key, one]) => [key, writeValue(one, shape.of)]),
      );
    case "object":
      return writeFields(value as Values, shape.fields);
    case "choice": {
      const { name, value: chosen } = value as Choice;
      return { [name]: writeValue(chosen, (shape.fields[name] as Fields[string]).shape) };
    }
    case "publication":
      return wirePublication(value as Publication);
    case "client":
      return wireClientInfo(value as ClientInfo);
    case "data":
      throw new TypeError("no result holds bare data");
  }
}
