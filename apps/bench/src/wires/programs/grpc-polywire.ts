import { Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { unaryEcho } from "../grpc-methods.ts";
import { polywireVersion } from "../polywire-echo.ts";
import { type EchoProgram, PAYLOAD_BYTES, runConcurrently } from "../program.ts";

const network = new Network({ protocols: [grpc()] });

export const program: EchoProgram = {
  version: polywireVersion,
  async serve() {
    const listener = await network.listen(`grpc://127.0.0.1:0${unaryEcho.path}`, {
      async exchange(exchange) {
        exchange.respond({ status: 200 }, await exchange.body.bytes());
      },
    });
    return listener.endpoint.port ?? 0;
  },
  async connect(port) {
    const exchanger = await network.open(`grpc://127.0.0.1:${port}`);
    const body = new Uint8Array(PAYLOAD_BYTES);
    const ask = async (): Promise<void> => {
      const response = await exchanger.request({ method: unaryEcho.path, body });
      await response.body.bytes();
    };
    return { run: (operations, inFlight) => runConcurrently(operations, inFlight, ask) };
  },
};
