import { Client, credentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { versionOf } from "../../servers/child.ts";
import { streamEcho } from "../grpc-methods.ts";
import { serveGrpc } from "../grpc-server.ts";
import { Echoes, type EchoProgram, PAYLOAD_BYTES } from "../program.ts";

export const program: EchoProgram = {
  version: `@grpc/grpc-js ${versionOf("@grpc/grpc-js")}`,
  serve: () =>
    serveGrpc(
      { stream: streamEcho },
      {
        stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
          call.on("data", (message: Buffer) => void call.write(message));
          call.on("end", () => call.end());
          call.on("error", () => {});
        },
      },
    ),
  async connect(port) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = streamEcho;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    const echoes = new Echoes();
    const send = (): void => void call.write(payload);
    call.on("data", () => {
      if (echoes.returned()) send();
    });
    call.on("error", () => {});
    return { run: (operations, inFlight) => echoes.start(operations, inFlight, send) };
  },
};
