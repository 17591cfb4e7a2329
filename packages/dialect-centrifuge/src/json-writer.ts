import { Buffer } from "node:buffer";
import type { ClientInfo, DataFormat, Publication } from "@polywire/core";
import type { Telling } from "./codec.ts";
import { JsonScanner, type JsonScratch } from "./json-scanner.ts";
import type { ConnectResult, Expiry, SubscribePush, SubscribeResult } from "./message.ts";

/*
 * JSON of results, written by hand: payloads go in as the text they are, in the protocol's snake_case, zero values left
 * out. A field is written with a comma before it, which `object` cuts off the first.
 */

/** Tells a JSON client that the data are base64 of bytes. */
const BASE64_TAG = ["encoding", "base64"] as const;

export function object(fields: string): string {
  return `{${fields.slice(1)}}`;
}

export function textField(name: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : `,"${name}":${JSON.stringify(value)}`;
}

export function numberField(name: string, value: number | undefined): string {
  return value === undefined || value === 0 ? "" : `,"${name}":${value}`;
}

export function booleanField(name: string, value: boolean | undefined): string {
  return value === true ? `,"${name}":true` : "";
}

const WHOLE: Telling = {};

/** Every method gives one whole JSON value on one line. */
export class JsonWriter {
  readonly #scratch: JsonScratch;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(scratch: JsonScratch) {
    this.#scratch = scratch;
  }

  /** Data of a publication or message, in the form JSON has for its format. */
  payload(data: Uint8Array, format: DataFormat): string {
    if (format === "json") return withoutNewlines(this.#utf8.decode(data));
    return JSON.stringify(format === "text" ? this.#utf8.decode(data) : base64(data));
  }

  /** JSON that the program supplied. Bytes that are none would break the message for its reader: they become base64. */
  dataField(name: string, data: Uint8Array | undefined): string {
    if (data === undefined || data.length === 0) return "";
    const text = withoutNewlines(this.#utf8.decode(data));
    const isJson = new JsonScanner(text, this.#scratch).isOneValue();
    return `,"${name}":${isJson ? text : JSON.stringify(base64(data))}`;
  }

  clientInfo(info: ClientInfo): string {
    const names = `{"user":${JSON.stringify(info.user)},"client":${JSON.stringify(info.client)}`;
    return `${names}${this.dataField("conn_info", info.connectionInfo)}${this.dataField("chan_info", info.channelInfo)}}`;
  }

  publication(publication: Publication, { epoch, isDelta = false, patch }: Telling = WHOLE): string {
    const { data, format, info, offset, tags } = publication;
    // In a map, so that a tag of that name that the program set is replaced: no name may come twice.
    const told = format === "binary" ? new Map([...(tags ?? []), BASE64_TAG]) : tags;
    const tagFields = told === undefined ? "" : entries(told, JSON.stringify);
    return object(
      `,"data":${isDelta ? this.#deltaPayload(publication, patch) : this.payload(data, format)}${info === undefined ? "" : `,"info":${this.clientInfo(info)}`}` +
        `${numberField("offset", offset)}${tagFields === "" ? "" : `,"tags":${object(tagFields)}`}` +
        `${booleanField("delta", patch !== undefined)}${numberField("time", publication.time)}${textField("epoch", epoch)}`,
    );
  }

  publications(list: readonly Publication[], telling: Telling = WHOLE): string {
    return `[${list.map((publication) => this.publication(publication, telling)).join(",")}]`;
  }

  /** The JSON text of the data, or the patch, in a string: patches are made from the bytes of that text. */
  #deltaPayload({ data, format }: Publication, patch: Uint8Array | undefined): string {
    if (patch !== undefined) return JSON.stringify(this.#utf8.decode(patch));
    return JSON.stringify(format === "json" ? this.#utf8.decode(data) : this.payload(data, format));
  }

  presence(members: readonly ClientInfo[]): string {
    const fields = members.map((info) => `,${JSON.stringify(info.client)}:${this.clientInfo(info)}`).join("");
    return `{"presence":${object(fields)}}`;
  }

  connectResult(result: ConnectResult): string {
    const { subs } = result;
    const subFields = subs === undefined ? "" : entries(subs, (sub) => this.subscribeResult(sub));
    return object(
      textField("client", result.client) +
        textField("version", result.version) +
        expiryFields(result) +
        this.dataField("data", result.data) +
        (subFields === "" ? "" : `,"subs":${object(subFields)}`) +
        numberField("ping", result.ping) +
        booleanField("pong", result.pong) +
        textField("session", result.session) +
        textField("node", result.node) +
        numberField("time", result.time),
    );
  }

  subscribeResult(result: SubscribeResult): string {
    const { publications: list } = result;
    return object(
      expiryFields(result) +
        booleanField("recoverable", result.recoverable) +
        textField("epoch", result.epoch) +
        (list === undefined || list.length === 0
          ? ""
          : `,"publications":${this.publications(list, { isDelta: result.delta === true })}`) +
        booleanField("recovered", result.recovered) +
        numberField("offset", result.offset) +
        booleanField("positioned", result.positioned) +
        this.dataField("data", result.data) +
        booleanField("was_recovering", result.wasRecovering) +
        booleanField("delta", result.delta) +
        numberField("id", result.id),
    );
  }

  subscribePush(subscription: SubscribePush): string {
    return object(
      booleanField("recoverable", subscription.recoverable) +
        textField("epoch", subscription.epoch) +
        numberField("offset", subscription.offset) +
        booleanField("positioned", subscription.positioned) +
        this.dataField("data", subscription.data),
    );
  }

  expiry(expiry: Expiry): string {
    return object(expiryFields(expiry));
  }
}

function expiryFields(expiry: Expiry): string {
  return booleanField("expires", expiry.expires) + numberField("ttl", expiry.ttl);
}

function entries<Value>(map: ReadonlyMap<string, Value>, write: (value: Value) => string): string {
  let fields = "";
  for (const [key, value] of map) fields += `,${JSON.stringify(key)}:${write(value)}`;
  return fields;
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

/**
 * A newline ends a message, and a carriage return a line of an event stream; valid JSON has none of them inside a string,
 * so those between tokens can go.
 */
function withoutNewlines(text: string): string {
  return text.includes("\n") || text.includes("\r") ? text.replaceAll(/[\n\r]/g, "") : text;
}
