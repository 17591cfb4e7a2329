import { type AnyProtocol, Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { grpc } from "@polywire/grpc";
import { cutDelimited, withLength, withoutLength } from "./delimited.ts";
import { protobufEncoding } from "./encodings.ts";
import type { Transport } from "./transports.ts";

/** The status that gRPC itself ends a call with when a message is too large. */
const RESOURCE_EXHAUSTED = 8;

/** One Protobuf message in each message of the wire. */
export const bareMessages: readonly Transport[] = [
  bare("bare messages", { protocol: () => memory(), where: "memory://server:0/connection", tooLargeCode: 1006 }),
  bare("grpc", {
    protocol: () => grpc(),
    where: "grpc://127.0.0.1:0/polywire.centrifuge.v1.Centrifuge/Connect",
    tooLargeCode: RESOURCE_EXHAUSTED,
  }),
];

interface Bare {
  readonly protocol: () => AnyProtocol;
  readonly where: string;
  readonly tooLargeCode: number;
}

function bare(name: string, { protocol: protocolOf, where, tooLargeCode }: Bare): Transport {
  return {
    name,
    encodings: [protobufEncoding],
    speaksOneEncoding: name === "grpc",
    dialect: { delimited: false, format: "protobuf" },
    tooLargeCode,
    cutOffCode: 1006,
    frames: "single",
    isEmulated: false,
    open() {
      const protocol = protocolOf();
      const clients: Network<readonly AnyProtocol[]> = new Network({ protocols: [protocol] });
      return {
        protocols: [protocol],
        address: where,
        handles: "links",
        async dial(address, { name: encoding }, events) {
          const connection = await clients.connect(name === "grpc" ? address : `${address}?format=${encoding}`, {
            reconnect: false,
          });
          connection.on("close", ({ code = 1006, reason }) => events.closed(code, reason));
          connection.on("data", (data) => events.frame(typeof data === "string" ? data : withLength(data)));
          return {
            send(frame) {
              if (typeof frame === "string") return void connection.send(frame);
              const { frames, rest } = cutDelimited(frame);
              for (const message of frames) connection.send(withoutLength(message));
              // What is no message goes as it is.
              if (rest.length > 0 || frames.length === 0) connection.send(rest);
            },
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
