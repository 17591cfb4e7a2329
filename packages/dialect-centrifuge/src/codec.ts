import type { Payload } from "@polywire/core";
import type {
  ClientInfo,
  Command,
  ConnectResult,
  Data,
  ErrorReply,
  Expiry,
  HistoryResult,
  Publication,
  SubscribePush,
  SubscribeResult,
} from "./message.ts";

/**
 * One encoding of the protocol. Holds no state of a session, knows no socket and no timer: frames in, commands out;
 * results in, frames out. Every encoder gives one whole message, ready to be one message of a message transport.
 */
export interface Codec {
  readonly name: "json" | "protobuf";

  /**
   * Reads the commands of one frame, in order. The frame may be reused as soon as the last command was read; the commands
   * own their memory.
   *
   * @throws PolywireError `protocol-violation`, from here or from `next`, for anything but well-formed commands.
   */
  read(frame: Payload): CommandReader;

  /** The server's ping: an empty reply. */
  readonly ping: Payload;

  error(id: number, error: ErrorReply): Payload;
  connect(id: number, result: ConnectResult): Payload;
  subscribe(id: number, result: SubscribeResult): Payload;
  /** The reply to a command whose result has no fields. */
  done(id: number, kind: "unsubscribe" | "publish"): Payload;
  presence(id: number, presence: ReadonlyMap<string, ClientInfo>): Payload;
  presenceStats(id: number, clients: number, users: number): Payload;
  history(id: number, result: HistoryResult): Payload;
  rpc(id: number, data: Data | undefined): Payload;
  refresh(id: number, kind: "refresh" | "sub_refresh", expiry: Expiry): Payload;

  pushPublication(channel: string, publication: Publication): Payload;
  pushJoin(channel: string, info: ClientInfo): Payload;
  pushLeave(channel: string, info: ClientInfo): Payload;
  pushUnsubscribe(channel: string, code: number, reason: string): Payload;
  pushSubscribe(channel: string, subscription: SubscribePush): Payload;
  pushMessage(data: Data): Payload;
  pushRefresh(expiry: Expiry): Payload;
  pushDisconnect(code: number, reason: string): Payload;
}

export interface CommandReader {
  /** The next command of the frame, or `undefined` at its end. */
  next(): Command | undefined;
}
