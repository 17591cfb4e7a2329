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
import type { Codec, CommandReader } from "./codec.ts";
import { JsonCommandReader } from "./json-reader.ts";
import { JsonScratch } from "./json-scanner.ts";
import { booleanField, JsonWriter, numberField, object, textField } from "./json-writer.ts";
import type { ConnectResult, Expiry, SubscribePush, SubscribeResult } from "./message.ts";

/** The JSON encoding: one object per message, several commands of a frame on a line each. */
export class JsonCodec implements Codec {
  readonly name = "json";
  readonly ping = "{}";
  readonly #scratch = new JsonScratch();
  readonly #writer = new JsonWriter(this.#scratch);
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  read(frame: Payload): CommandReader {
    return new JsonCommandReader(typeof frame === "string" ? frame : this.#text(frame), this.#scratch);
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
    return reply(id, "error", object(fields));
  }

  connect(id: number, result: ConnectResult): string {
    return reply(id, "connect", this.#writer.connectResult(result));
  }

  subscribe(id: number, result: SubscribeResult): string {
    return reply(id, "subscribe", this.#writer.subscribeResult(result));
  }

  done(id: number, kind: "unsubscribe" | "publish"): string {
    return reply(id, kind, "{}");
  }

  presence(id: number, members: readonly ClientInfo[]): string {
    return reply(id, "presence", this.#writer.presence(members));
  }

  presenceStats(id: number, stats: PresenceStats): string {
    return reply(id, "presence_stats", `{"num_clients":${stats.clients},"num_users":${stats.users}}`);
  }

  history(id: number, page: HistoryPage): string {
    const { epoch, offset } = page.position;
    const list = this.#writer.publications(page.publications);
    return reply(id, "history", `{"publications":${list},"epoch":${JSON.stringify(epoch)},"offset":${offset}}`);
  }

  rpc(id: number, data: Uint8Array): string {
    return reply(id, "rpc", object(this.#writer.dataField("data", data)));
  }

  refresh(id: number, kind: "refresh" | "sub_refresh", expiry: Expiry): string {
    return reply(id, kind, this.#writer.expiry(expiry));
  }

  pushPublication(channel: string, publication: Publication, epoch?: string): string {
    return channelPush(channel, "pub", this.#writer.publication(publication, epoch));
  }

  pushJoin(channel: string, info: ClientInfo): string {
    return channelPush(channel, "join", `{"info":${this.#writer.clientInfo(info)}}`);
  }

  pushLeave(channel: string, info: ClientInfo): string {
    return channelPush(channel, "leave", `{"info":${this.#writer.clientInfo(info)}}`);
  }

  pushUnsubscribe(channel: string, code: number, reason: string): string {
    return channelPush(channel, "unsubscribe", object(numberField("code", code) + textField("reason", reason)));
  }

  pushSubscribe(channel: string, subscription: SubscribePush): string {
    return channelPush(channel, "subscribe", this.#writer.subscribePush(subscription));
  }

  pushMessage(data: Uint8Array, format: DataFormat): string {
    return push("message", `{"data":${this.#writer.payload(data, format)}}`);
  }

  pushRefresh(expiry: Expiry): string {
    return push("refresh", this.#writer.expiry(expiry));
  }

  pushDisconnect(code: number, reason: string): string {
    return push("disconnect", object(numberField("code", code) + textField("reason", reason)));
  }
}

function reply(id: number, kind: string, body: string): string {
  return `{"id":${id},"${kind}":${body}}`;
}

function push(kind: string, body: string): string {
  return `{"push":{"${kind}":${body}}}`;
}

function channelPush(channel: string, kind: string, body: string): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"${kind}":${body}}}`;
}
