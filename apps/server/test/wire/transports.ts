import { type AnyProtocol, Network, type Payload } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { ws } from "@polywire/ws";
import { WebSocket } from "ws";
import type { Encoding } from "./encodings.ts";

/** What a client is told of its link, in order; `closed` once, last. */
export interface LinkEvents {
  frame(frame: Payload): void;
  closed(code: number, reason: string): void;
}

/** A client's end of a link, below the protocol. */
export interface ClientLink {
  send(frame: Payload): void;
  /** Reads nothing any more, so that what the server sends piles up. */
  stall(): void;
  resume(): void;
  /** The network between drops: no farewell. */
  cut(): void;
}

/** A way from clients to a server under test. A new kind of wire is one more of these in {@link transports}. */
export interface Transport {
  readonly name: string;
  /** The code a client is told when its frame was past the link's limit; 1006 where it is told none. */
  readonly tooLargeCode: number;
  /** The code a client is told when it is cut off with what was on its way to it; 1006 where it is told none. */
  readonly cutOffCode: number;
  /** A world of its own: what one server listens on is reached by its `dial` alone. */
  open(): Wire;
}

export interface Wire extends AsyncDisposable {
  readonly protocols: readonly AnyProtocol[];
  /** Where to listen. */
  readonly address: string;
  dial(address: string, encoding: Encoding, events: LinkEvents): Promise<ClientLink>;
}

/** A client that shares no code with the server: the `ws` package's own. */
const websocket: Transport = {
  name: "websocket",
  tooLargeCode: 1009,
  cutOffCode: 3008,
  open() {
    const sockets = new Set<WebSocket>();
    return {
      protocols: [ws()],
      address: "ws://127.0.0.1:0/connection/websocket",
      dial(address, { query }, events) {
        const socket = new WebSocket(`${address}${query}`, { perMessageDeflate: false });
        sockets.add(socket);
        socket.on("message", (data: Buffer, isBinary: boolean) => {
          events.frame(isBinary ? new Uint8Array(data) : data.toString());
        });
        socket.on("close", (code, reason) => {
          sockets.delete(socket);
          events.closed(code, reason.toString());
        });
        const link: ClientLink = {
          send: (frame) => socket.send(frame),
          stall: () => socket.pause(),
          resume: () => socket.resume(),
          cut: () => socket.terminate(),
        };
        return new Promise((resolve, reject) => {
          socket.on("open", () => resolve(link));
          socket.on("error", reject);
        });
      },
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.terminate();
      },
    };
  },
};

/** Inside the process: everything but a wire. */
const inMemory: Transport = {
  name: "memory",
  tooLargeCode: 1006,
  cutOffCode: 1006,
  open() {
    const protocol = memory();
    const clients = new Network({ protocols: [protocol] });
    return {
      protocols: [protocol],
      address: "memory://server:0/connection",
      async dial(address, { query }, events) {
        const connection = await clients.connect(`${address}${query}` as "memory://server:0/");
        connection.on("close", ({ code = 1006, reason }) => events.closed(code, reason));
        connection.on("data", (data) => events.frame(typeof data === "string" ? data : new Uint8Array(data)));
        return {
          send: (frame) => void connection.send(frame),
          stall: () => connection.pause(),
          resume: () => connection.resume(),
          cut: () => void connection.close({ discard: true }),
        };
      },
      [Symbol.asyncDispose]: () => clients.close(),
    };
  },
};

export const transports: readonly Transport[] = [websocket, inMemory];
