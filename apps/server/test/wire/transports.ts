import { type AnyProtocol, Network, type Payload } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import type { CentrifugeOptions } from "@polywire/dialect-centrifuge";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { WebSocket } from "ws";
import { bareMessages } from "./bare-messages.ts";
import { byteStream } from "./byte-stream.ts";
import { type Encoding, encodings } from "./encodings.ts";
import { httpStreams } from "./http-streams.ts";
import { tcpSockets } from "./tcp-sockets.ts";

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
  /** The encodings that it is worth trying with; clients may speak the others too. */
  readonly encodings: readonly Encoding[];
  /** Options of the dialect that it takes to listen on it. */
  readonly dialect?: CentrifugeOptions;
  /**
   * The code a client is told when its frame was past the limit; 1006 where it is told none, and `undefined` where the
   * frame is refused and the session goes on.
   */
  readonly tooLargeCode: number | undefined;
  /** The code a client is told when it is cut off with what was on its way to it; 1006 where it is told none. */
  readonly cutOffCode: number;
  /**
   * What a client sends at once is one frame (`whole`), a message for each command (`single`), or bytes of a stream in
   * which half a command waits for its rest: the server's (`stream`), or the wire's own, which knows `lines` of text or
   * `lengths` and has no words for what is wrong with them.
   */
  readonly frames: "whole" | "single" | "stream" | "lines" | "lengths";
  /** Clients of the other encoding cannot come this way, and come another. */
  readonly speaksOneEncoding?: boolean;
  /** There is no session before a client has said something, and none to talk to before its connect is answered. */
  readonly isEmulated: boolean;
  /** A world of its own: what one server listens on is reached by its `dial` alone. */
  open(): Wire;
}

export interface Wire extends AsyncDisposable {
  readonly protocols: readonly AnyProtocol[];
  /** Where to listen. */
  readonly address: string;
  readonly listenOptions?: object;
  /** What is served there, where a wire serves either links or exchanges at one address. */
  readonly handles?: "links";
  dial(address: string, encoding: Encoding, events: LinkEvents): Promise<ClientLink>;
}

/** A client that shares no code with the server: the `ws` package's own. */
const websocket: Transport = {
  name: "websocket",
  encodings,
  tooLargeCode: 1009,
  cutOffCode: 3008,
  frames: "whole",
  isEmulated: false,
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
export const inMemory: Transport = links("memory", () => memory(), { address: "memory://server:0/connection" });

/** Datagrams in their reliable form, over the loopback. */
const reliableDatagrams: Transport = links("udp", () => udp({ mode: "reliable" }), {
  address: "udp://127.0.0.1:0/connection",
});

/** A wire that carries frames as WebSocket does: text and bytes apart, with codes when it closes. */
function links(
  name: string,
  protocolOf: () => AnyProtocol,
  { address: place }: { readonly address: string },
): Transport {
  return {
    name,
    encodings,
    tooLargeCode: 1006,
    cutOffCode: 1006,
    frames: "whole",
    isEmulated: false,
    open() {
      const protocol = protocolOf();
      const clients: Network<readonly AnyProtocol[]> = new Network({ protocols: [protocol] });
      return {
        protocols: [protocol],
        address: place,
        async dial(address, { query }, events) {
          const connection = await clients.connect(`${address}${query}`, { reconnect: false });
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
}

export const transports: readonly Transport[] = [
  websocket,
  inMemory,
  reliableDatagrams,
  byteStream,
  ...bareMessages,
  ...httpStreams,
  ...tcpSockets,
];

/** Every transport with every encoding that is worth trying on it. */
export const circumstances: readonly { readonly transport: Transport; readonly encoding: Encoding }[] =
  transports.flatMap((transport) => transport.encodings.map((encoding) => ({ transport, encoding })));
