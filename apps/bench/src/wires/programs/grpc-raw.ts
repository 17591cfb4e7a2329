import { Client, credentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { versionOf } from "../../servers/child.ts";
import { unaryEcho } from "../grpc-methods.ts";
import { serveGrpc } from "../grpc-server.ts";
import { type EchoProgram, PAYLOAD_BYTES, runConcurrently } from "../program.ts";

export const program: EchoProgram = {
  version: `@grpc/grpc-js ${versionOf("@grpc/grpc-js")}`,
  serve: () =>
    serveGrpc(
      { unary: unaryEcho },
      { unary: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, call.request) },
    ),
  async connect(port) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    const { path, requestSerialize, responseDeserialize } = unaryEcho;
    const ask = (): Promise<void> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, payload, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    return { run: (operations, inFlight) => runConcurrently(operations, inFlight, ask) };
  },
};
