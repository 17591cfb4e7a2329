import type { Payload } from "@polywire/core";
import { PolywireError } from "@polywire/core";
import type { Codec, CommandReader } from "./codec.ts";
import { JsonCommandReader } from "./json-reader.ts";
import { JsonScratch } from "./json-scanner.ts";
import {
  booleanField,
  clientInfo,
  connectResult,
  dataField,
  expiryFields,
  map,
  numberField,
  object,
  publication,
  publications,
  subscribePush,
  subscribeResult,
  textField,
} from "./json-writer.ts";
import type {
  ClientInfo,
  ConnectResult,
  Data,
  ErrorReply,
  Expiry,
  HistoryResult,
  Publication,
  SubscribePush,
  SubscribeResult,
} from "./message.ts";

/** The JSON encoding: one object per message, several commands of a frame on a line each. */
export class JsonCodec implements Codec {
  readonly name = "json";
  readonly ping = "{}";
  readonly #scratch = new JsonScratch();
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

  error(id: number, error: ErrorReply): string {
    const fields =
      numberField("code", error.code) +
      textField("message", error.message) +
      booleanField("temporary", error.temporary);
    return reply(id, "error", object(fields));
  }

  connect(id: number, result: ConnectResult): string {
    return reply(id, "connect", connectResult(result));
  }

  subscribe(id: number, result: SubscribeResult): string {
    return reply(id, "subscribe", subscribeResult(result));
  }

  done(id: number, kind: "unsubscribe" | "publish"): string {
    return reply(id, kind, "{}");
  }

  presence(id: number, presence: ReadonlyMap<string, ClientInfo>): string {
    return reply(id, "presence", `{"presence":${map(presence, clientInfo)}}`);
  }

  presenceStats(id: number, clients: number, users: number): string {
    return reply(id, "presence_stats", `{"num_clients":${clients},"num_users":${users}}`);
  }

  history(id: number, result: HistoryResult): string {
    const list = publications(result.publications);
    const body = `{"publications":${list},"epoch":${JSON.stringify(result.epoch)},"offset":${result.offset}}`;
    return reply(id, "history", body);
  }

  rpc(id: number, data: Data | undefined): string {
    return reply(id, "rpc", object(dataField("data", data)));
  }

  refresh(id: number, kind: "refresh" | "sub_refresh", expiry: Expiry): string {
    return reply(id, kind, object(expiryFields(expiry)));
  }

  pushPublication(channel: string, published: Publication): string {
    return channelPush(channel, "pub", publication(published));
  }

  pushJoin(channel: string, info: ClientInfo): string {
    return channelPush(channel, "join", `{"info":${clientInfo(info)}}`);
  }

  pushLeave(channel: string, info: ClientInfo): string {
    return channelPush(channel, "leave", `{"info":${clientInfo(info)}}`);
  }

  pushUnsubscribe(channel: string, code: number, reason: string): string {
    return channelPush(channel, "unsubscribe", object(numberField("code", code) + textField("reason", reason)));
  }

  pushSubscribe(channel: string, subscription: SubscribePush): string {
    return channelPush(channel, "subscribe", subscribePush(subscription));
  }

  pushMessage(data: Data): string {
    return `{"push":{"message":${object(dataField("data", data))}}}`;
  }

  pushRefresh(expiry: Expiry): string {
    return `{"push":{"refresh":${object(expiryFields(expiry))}}}`;
  }

  pushDisconnect(code: number, reason: string): string {
    return `{"push":{"disconnect":${object(numberField("code", code) + textField("reason", reason))}}}`;
  }
}

function reply(id: number, kind: string, body: string): string {
  return `{"id":${id},"${kind}":${body}}`;
}

function channelPush(channel: string, kind: string, body: string): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"${kind}":${body}}}`;
}
