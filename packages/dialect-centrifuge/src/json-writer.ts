import type {
  ClientInfo,
  ConnectResult,
  Data,
  Expiry,
  Publication,
  SubscribePush,
  SubscribeResult,
} from "./message.ts";

/*
 * JSON of results, written by hand: payloads go in as the text they are, in the protocol's snake_case, zero values left
 * out. Every function gives a whole JSON value. A field is written with a leading comma, cut off by `object`.
 */

const utf8 = new TextDecoder();

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

export function dataField(name: string, value: Data | undefined): string {
  return value === undefined || value.length === 0 ? "" : `,"${name}":${inline(value)}`;
}

/** A payload in place. Newlines separate messages, and valid JSON has none inside a string, so they go. */
function inline(data: Data): string {
  const text = typeof data === "string" ? data : utf8.decode(data);
  return text.includes("\n") ? text.replaceAll("\n", "") : text;
}

export function clientInfo(info: ClientInfo): string {
  return (
    `{"user":${JSON.stringify(info.user)},"client":${JSON.stringify(info.client)}` +
    `${dataField("conn_info", info.connInfo)}${dataField("chan_info", info.chanInfo)}}`
  );
}

export function publication(publication: Publication): string {
  return object(
    dataField("data", publication.data) +
      (publication.info === undefined ? "" : `,"info":${clientInfo(publication.info)}`) +
      numberField("offset", publication.offset) +
      tagsField(publication.tags) +
      textField("epoch", publication.epoch),
  );
}

function tagsField(tags: ReadonlyMap<string, string> | undefined): string {
  if (tags === undefined || tags.size === 0) return "";
  return `,"tags":${map(tags, JSON.stringify)}`;
}

export function map<Value>(entries: ReadonlyMap<string, Value>, write: (value: Value) => string): string {
  let fields = "";
  for (const [key, value] of entries) fields += `,${JSON.stringify(key)}:${write(value)}`;
  return object(fields);
}

export function publications(list: readonly Publication[]): string {
  return `[${list.map(publication).join(",")}]`;
}

export function connectResult(result: ConnectResult): string {
  const { subs } = result;
  return object(
    textField("client", result.client) +
      textField("version", result.version) +
      expiryFields(result) +
      dataField("data", result.data) +
      (subs === undefined || subs.size === 0 ? "" : `,"subs":${map(subs, subscribeResult)}`) +
      numberField("ping", result.ping) +
      booleanField("pong", result.pong) +
      textField("session", result.session) +
      textField("node", result.node) +
      numberField("time", result.time),
  );
}

export function subscribeResult(result: SubscribeResult): string {
  const { publications: list } = result;
  return object(
    expiryFields(result) +
      booleanField("recoverable", result.recoverable) +
      textField("epoch", result.epoch) +
      (list === undefined || list.length === 0 ? "" : `,"publications":${publications(list)}`) +
      booleanField("recovered", result.recovered) +
      numberField("offset", result.offset) +
      booleanField("positioned", result.positioned) +
      dataField("data", result.data) +
      booleanField("was_recovering", result.wasRecovering),
  );
}

export function subscribePush(subscription: SubscribePush): string {
  return object(
    booleanField("recoverable", subscription.recoverable) +
      textField("epoch", subscription.epoch) +
      numberField("offset", subscription.offset) +
      booleanField("positioned", subscription.positioned) +
      dataField("data", subscription.data),
  );
}

export function expiryFields(expiry: Expiry): string {
  return booleanField("expires", expiry.expires) + numberField("ttl", expiry.ttl);
}
