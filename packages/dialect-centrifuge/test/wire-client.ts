import { readFileSync } from "node:fs";
import type { CloseInfo, Connection, Payload } from "@polywire/core";
import protobuf from "protobufjs";
import { CLIENT_SCHEMA } from "../scripts/protobuf-schema.ts";

export type Encoding = "json" | "protobuf";
export const ENCODINGS: readonly Encoding[] = ["json", "protobuf"];

/** Commands and replies in the words of the protocol; what is JSON on the wire is JSON here. */
export type Message = { readonly [name: string]: unknown };

const root = protobuf.parse(readFileSync(CLIENT_SCHEMA.proto, "utf8"), { keepCase: true }).root;
const commandType = root.lookupType("centrifugal.centrifuge.protocol.Command");
const replyType = root.lookupType("centrifugal.centrifuge.protocol.Reply");

/** Fields that are bytes in Protobuf and any value in JSON. */
const DATA_FIELDS: ReadonlySet<string> = new Set(["data", "conn_info", "chan_info"]);

/** One frame with these commands, as a client of that encoding writes it. */
export function frame(encoding: Encoding, ...commands: readonly Message[]): Payload {
  if (encoding === "json") return commands.map((command) => JSON.stringify(command)).join("\n");
  return new Uint8Array(
    Buffer.concat(
      commands.map((command) => commandType.encodeDelimited(mapData(command, toBytes) as Message).finish()),
    ),
  );
}

/** The replies of one frame, zero values left out. */
export function replies(payload: Payload): Message[] {
  if (typeof payload === "string") {
    return payload.split("\n").map((line) => withoutZeros(JSON.parse(line)) as Message);
  }
  const reader = protobuf.Reader.create(payload);
  const found: Message[] = [];
  while (reader.pos < reader.len) {
    const reply = replyType.toObject(replyType.decodeDelimited(reader), { longs: Number });
    found.push(withoutZeros(mapData(reply, fromBytes)) as Message);
  }
  return found;
}

function mapData(value: unknown, convert: (data: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapData(item, convert));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => {
      // `rpc` and `history` results nest; only leaves named like data are data.
      return [name, DATA_FIELDS.has(name) ? convert(field) : mapData(field, convert)];
    }),
  );
}

function toBytes(data: unknown): Uint8Array {
  return data instanceof Uint8Array ? data : Buffer.from(JSON.stringify(data));
}

function fromBytes(data: unknown): unknown {
  const text = Buffer.from(data as Uint8Array).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return new Uint8Array(data as Uint8Array);
  }
}

function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, field]) => [name, DATA_FIELDS.has(name) ? field : withoutZeros(field)] as const)
      .filter(([name, field]) => DATA_FIELDS.has(name) || !isZero(field)),
  );
}

function isZero(value: unknown): boolean {
  return value === 0 || value === "" || value === false || (Array.isArray(value) && value.length === 0);
}

/** A client that speaks the protocol over a connection, one word at a time, and knows nothing else. */
export class WireClient {
  readonly #connection: Connection;
  readonly #encoding: Encoding;
  readonly #received: Message[] = [];
  readonly #waiting: ((reply: Message) => void)[] = [];
  readonly closed: Promise<CloseInfo>;
  #lastId = 0;

  constructor(connection: Connection, encoding: Encoding) {
    this.#connection = connection;
    this.#encoding = encoding;
    this.closed = new Promise((resolve) => void connection.on("close", resolve));
    connection.on("data", (payload) => {
      for (const reply of replies(payload)) {
        const wake = this.#waiting.shift();
        if (wake === undefined) this.#received.push(reply);
        else wake(reply);
      }
    });
  }

  /** Sends commands in one frame. */
  say(...commands: readonly Message[]): void {
    this.#connection.send(frame(this.#encoding, ...commands));
  }

  /** Sends bytes or text as they are. */
  sayRaw(payload: Payload): void {
    this.#connection.send(payload);
  }

  /** The next reply or push. */
  next(): Promise<Message> {
    const reply = this.#received.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends one command, with an id of its own, and takes the next reply as its answer, without the id. */
  async ask(command: Message): Promise<Message> {
    const id = ++this.#lastId;
    this.say({ id, ...command });
    const { id: answered, ...reply } = await this.next();
    if (answered !== id) throw new Error(`expected the answer to ${id}, got ${JSON.stringify({ answered, ...reply })}`);
    return reply;
  }

  /** Everything that came up to now and was not taken yet. */
  take(): Message[] {
    return this.#received.splice(0);
  }

  drop(): Promise<CloseInfo> {
    return this.#connection.close();
  }
}
