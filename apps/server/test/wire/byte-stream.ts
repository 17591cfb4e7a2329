import { Network, type Payload } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { encodings } from "./encodings.ts";
import { FrameReader } from "./frame-reader.ts";
import type { Transport } from "./transports.ts";

/** Bytes without boundaries, as over TCP: JSON on lines, Protobuf after lengths. */
export const byteStream: Transport = {
  name: "a byte stream",
  encodings,
  // Told in a push, for the wire has no codes.
  tooLargeCode: 3501,
  cutOffCode: 1006,
  frames: "stream",
  isEmulated: false,
  open() {
    const protocol = memory({ kind: "stream" });
    const clients = new Network({ protocols: [protocol] });
    return {
      protocols: [protocol],
      address: "memory://server:0/connection",
      async dial(address, encoding, events) {
        const connection = await clients.connect(`${address}${encoding.query}` as "memory://server:0/", {
          reconnect: false,
        });
        const reader = new FrameReader(encoding, (frame) => events.frame(frame));
        connection.on("close", ({ code = 1006, reason }) => events.closed(code, reason));
        connection.on("data", (data) => reader.push(typeof data === "string" ? Buffer.from(data) : data));
        return {
          send: (frame) => void connection.send(encoding.name === "json" ? line(frame) : frame),
          stall: () => connection.pause(),
          resume: () => connection.resume(),
          cut: () => void connection.close({ discard: true }),
        };
      },
      [Symbol.asyncDispose]: () => clients.close(),
    };
  },
};

function line(frame: Payload): Payload {
  return Buffer.concat([Buffer.from(frame as string), Buffer.from("\n")]);
}
