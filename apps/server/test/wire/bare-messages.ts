import { Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { cutDelimited, withLength, withoutLength } from "./delimited.ts";
import { protobufEncoding } from "./encodings.ts";
import type { Transport } from "./transports.ts";

/** One Protobuf message in each message of the wire, as over gRPC. */
export const bareMessages: Transport = {
  name: "bare messages",
  encodings: [protobufEncoding],
  dialect: { delimited: false },
  tooLargeCode: 1006,
  cutOffCode: 1006,
  frames: "single",
  isEmulated: false,
  open() {
    const protocol = memory();
    const clients = new Network({ protocols: [protocol] });
    return {
      protocols: [protocol],
      address: "memory://server:0/connection",
      async dial(address, { query }, events) {
        const connection = await clients.connect(`${address}${query}` as "memory://server:0/");
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
