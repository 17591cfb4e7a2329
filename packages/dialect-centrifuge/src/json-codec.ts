import {
  type ClientInfo,
  type DataFormat,
  type HistoryPage,
  type Payload,
  PolywireError,
  type PresenceStats,
  type Publication,
} from "@polywire/core";
import type { ClientError } from "@polywire/realtime";
import type { ChannelName, Codec, CodecForm, CommandReader, Layout, Telling } from "./codec.ts";
import { JsonCommandReader, readConnectRequest } from "./json-reader.ts";
import { JsonScratch } from "./json-scanner.ts";
import { booleanField, JsonWriter, numberField, object, textField } from "./json-writer.ts";
import type { ConnectRequest, ConnectResult, Expiry, SubscribePush, SubscribeResult } from "./message.ts";

/** What stands before and after each message. */
const AROUND: Readonly<Record<Layout, readonly [before: string, after: string]>> = {
  whole: ["", ""],
  parted: ["", "\n"],
  event: ["data: ", "\n\n"],
};

/** The JSON encoding: one object per message, several commands of a frame on a line each. */
export class JsonCodec implements Codec {
  readonly name = "json";
  readonly ping: string;
  readonly #isUnidirectional: boolean;
  readonly #before: string;
  readonly #after: string;
  readonly #beforePush: string;
  readonly #afterPush: string;
  readonly #scratch = new JsonScratch();
  readonly #writer = new JsonWriter(this.#scratch);
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor({ layout, isUnidirectional }: CodecForm = { layout: "whole", isUnidirectional: false }) {
    const [before, after] = AROUND[layout];
    this.ping = `${before}{}${after}`;
    this.#isUnidirectional = isUnidirectional;
    this.#before = before;
    this.#after = after;
    this.#beforePush = isUnidirectional ? before : `${before}{"push":`;
    this.#afterPush = isUnidirectional ? after : `}${after}`;
  }

  read(frame: Payload): CommandReader {
    return new JsonCommandReader(typeof frame === "string" ? frame : this.#text(frame), this.#scratch);
  }

  readConnect(body: Payload): ConnectRequest {
    return readConnectRequest(typeof body === "string" ? body : this.#text(body), this.#scratch);
  }

  #text(frame: Uint8Array): string {
    try {
      return this.#utf8.decode(frame);
    } catch (cause) {
      throw new PolywireError("protocol-violation", "a JSON frame is not valid UTF-8", { cause });
    }
  }

  error(id: number, error: ClientError): string {
    const { code, message, isTemporary } = error;
    const fields = numberField("code", code) + textField("message", message) + booleanField("temporary", isTemporary);
    return this.#reply(id, "error", object(fields));
  }

  connect(id: number, result: ConnectResult): string {
    const body = this.#writer.connectResult(result);
    return this.#isUnidirectional ? this.#push(`{"connect":${body}}`) : this.#reply(id, "connect", body);
  }

  subscribe(id: number, result: SubscribeResult): string {
    return this.#reply(id, "subscribe", this.#writer.subscribeResult(result));
  }

  done(id: number, kind: "unsubscribe" | "publish"): string {
    return this.#reply(id, kind, "{}");
  }

  presence(id: number, members: readonly ClientInfo[]): string {
    return this.#reply(id, "presence", this.#writer.presence(members));
  }

  presenceStats(id: number, stats: PresenceStats): string {
    return this.#reply(id, "presence_stats", `{"num_clients":${stats.clients},"num_users":${stats.users}}`);
  }

  history(id: number, page: HistoryPage): string {
    const { epoch, offset } = page.position;
    const list = this.#writer.publications(page.publications);
    return this.#reply(id, "history", `{"publications":${list},"epoch":${JSON.stringify(epoch)},"offset":${offset}}`);
  }

  rpc(id: number, data: Uint8Array): string {
    return this.#reply(id, "rpc", object(this.#writer.dataField("data", data)));
  }

  refresh(id: number, kind: "refresh" | "sub_refresh", expiry: Expiry): string {
    return this.#reply(id, kind, this.#writer.expiry(expiry));
  }

  pushPublication(channel: ChannelName, publication: Publication, telling?: Telling): string {
    return this.#channelPush(channel, "pub", this.#writer.publication(publication, telling));
  }

  pushJoin(channel: ChannelName, info: ClientInfo): string {
    return this.#channelPush(channel, "join", `{"info":${this.#writer.clientInfo(info)}}`);
  }

  pushLeave(channel: ChannelName, info: ClientInfo): string {
    return this.#channelPush(channel, "leave", `{"info":${this.#writer.clientInfo(info)}}`);
  }

  pushUnsubscribe(channel: string, code: number, reason: string): string {
    return this.#channelPush(channel, "unsubscribe", object(numberField("code", code) + textField("reason", reason)));
  }

  pushSubscribe(channel: string, subscription: SubscribePush): string {
    return this.#channelPush(channel, "subscribe", this.#writer.subscribePush(subscription));
  }

  pushMessage(data: Uint8Array, format: DataFormat): string {
    return this.#push(`{"message":{"data":${this.#writer.payload(data, format)}}}`);
  }

  pushRefresh(expiry: Expiry): string {
    return this.#push(`{"refresh":${this.#writer.expiry(expiry)}}`);
  }

  pushDisconnect(code: number, reason: string): string {
    return this.#push(`{"disconnect":${object(numberField("code", code) + textField("reason", reason))}}`);
  }

  #reply(id: number, kind: string, body: string): string {
    return `${this.#before}{"id":${id},"${kind}":${body}}${this.#after}`;
  }

  #channelPush(channel: ChannelName, kind: string, body: string): string {
    const name = typeof channel === "number" ? `"id":${channel}` : `"channel":${JSON.stringify(channel)}`;
    return this.#push(`{${name},"${kind}":${body}}`);
  }

  #push(push: string): string {
    return this.#beforePush + push + this.#afterPush;
  }
}
