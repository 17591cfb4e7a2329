import type { ClientInfo, DataFormat, HistoryPage, Payload, PresenceStats, Publication } from "@polywire/core";
import type { ClientError } from "@polywire/realtime";
import type { Command, ConnectRequest, ConnectResult, Expiry, SubscribePush, SubscribeResult } from "./message.ts";

export type EncodingName = "json" | "protobuf";

/**
 * How the messages of an encoding lie on a wire.
 *
 * - `whole`: as they are, one per message of the wire. JSON on a WebSocket, Protobuf on gRPC.
 * - `parted`: so that several can follow each other. JSON on lines, Protobuf each after its length.
 * - `event`: JSON as server-sent events.
 */
export type Layout = "whole" | "parted" | "event";

/** What makes one codec of an encoding differ from another. */
export interface CodecForm {
  readonly layout: Layout;
  /** The client only listens: pushes go without the reply around them, and a connect's result is a push too. */
  readonly isUnidirectional: boolean;
}

/**
 * One encoding of the protocol. Holds no state of a session, knows no socket and no timer: frames in, commands out;
 * results in, frames out. Every encoder gives one whole message in the codec's layout, ready to be one message of a link.
 */
export interface Codec {
  readonly name: EncodingName;

  /**
   * Reads the commands of one frame, in order. The frame may be reused as soon as the last command was read; the commands
   * own their memory.
   *
   * @throws PolywireError `protocol-violation`, from here or from `next`, for anything but well-formed commands.
   */
  read(frame: Payload): CommandReader;

  /**
   * The request with which a client that only listens connects: the body of a request of its own, without a length.
   *
   * @throws PolywireError `protocol-violation`.
   */
  readConnect(body: Payload): ConnectRequest;

  /** The server's ping: an empty reply. */
  readonly ping: Payload;

  error(id: number, error: ClientError): Payload;
  connect(id: number, result: ConnectResult): Payload;
  subscribe(id: number, result: SubscribeResult): Payload;
  /** The reply to a command whose result has no fields. */
  done(id: number, kind: "unsubscribe" | "publish"): Payload;
  presence(id: number, members: readonly ClientInfo[]): Payload;
  presenceStats(id: number, stats: PresenceStats): Payload;
  history(id: number, page: HistoryPage): Payload;
  rpc(id: number, data: Uint8Array): Payload;
  refresh(id: number, kind: "refresh" | "sub_refresh", expiry: Expiry): Payload;

  pushPublication(channel: ChannelName, publication: Publication, telling?: Telling): Payload;
  pushJoin(channel: ChannelName, info: ClientInfo): Payload;
  pushLeave(channel: ChannelName, info: ClientInfo): Payload;
  pushUnsubscribe(channel: string, code: number, reason: string): Payload;
  pushSubscribe(channel: string, subscription: SubscribePush): Payload;
  pushMessage(data: Uint8Array, format: DataFormat): Payload;
  pushRefresh(expiry: Expiry): Payload;
  pushDisconnect(code: number, reason: string): Payload;
}

/** A channel's name, or the number that stands for it. */
export type ChannelName = string | number;

/** How a publication is told. */
export interface Telling {
  /** Told with the first publication of a stream. */
  readonly epoch?: string | undefined;
  /** The subscription has deltas: in JSON the data are then a string with their JSON text. */
  readonly isDelta?: boolean;
  /** What makes the publication of the one before; told instead of its data. UTF-8. */
  readonly patch?: Uint8Array | undefined;
}

export interface CommandReader {
  /** The next command of the frame, or `undefined` at its end. */
  next(): Command | undefined;
}
