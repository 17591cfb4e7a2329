import { connect, type Socket } from "node:net";
import type { Payload } from "@polywire/core";
import { tcp } from "@polywire/tcp";
import { type Encoding, json, protobufEncoding } from "./encodings.ts";
import { FrameReader } from "./frame-reader.ts";
import type { ClientLink, LinkEvents, Transport } from "./transports.ts";

/** Clients that are sockets and nothing else: JSON on lines, and Protobuf after lengths that the wire reads. */
export const tcpSockets: readonly Transport[] = [
  overTcp("tcp lines", { encoding: json, framing: "lines", frames: "lines" }),
  overTcp("tcp lengths", { encoding: protobufEncoding, framing: "varint", frames: "lengths" }),
];

interface Tcp {
  readonly encoding: Encoding;
  readonly framing: "lines" | "varint";
  readonly frames: Transport["frames"];
}

function overTcp(name: string, { encoding, framing, frames }: Tcp): Transport {
  return {
    name,
    encodings: [encoding],
    speaksOneEncoding: true,
    dialect: { format: encoding.name, delimited: false },
    tooLargeCode: 1006,
    cutOffCode: 1006,
    frames,
    isEmulated: false,
    open() {
      const sockets = new Set<Socket>();
      return {
        protocols: [tcp()],
        address: "tcp://127.0.0.1:0",
        listenOptions: { framing },
        async dial(address, _encoding, events) {
          const { hostname, port } = new URL(address.replace("tcp:", "http:"));
          const socket = connect(Number(port), hostname);
          sockets.add(socket);
          const link = clientOf(socket, encoding, events);
          await new Promise<void>((resolve, reject) => {
            socket.once("connect", resolve);
            socket.once("error", reject);
          });
          return link;
        },
        async [Symbol.asyncDispose]() {
          for (const socket of sockets) socket.destroy();
        },
      };
    },
  };
}

function clientOf(socket: Socket, encoding: Encoding, events: LinkEvents): ClientLink {
  const reader = new FrameReader(encoding, (frame) => events.frame(frame));
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  socket.on("close", () => events.closed(1006, ""));
  return {
    send: (frame) => void socket.write(encoding === json ? line(frame) : frame),
    stall: () => void socket.pause(),
    resume: () => void socket.resume(),
    cut: () => void socket.destroy(),
  };
}

function line(frame: Payload): Uint8Array {
  return Buffer.concat([Buffer.from(frame as string), Buffer.from("\n")]);
}
