import { Network } from "@polywire/core";
import { http } from "@polywire/http";
import { polywireVersion } from "../polywire-echo.ts";
import { type EchoProgram, PAYLOAD_BYTES, runConcurrently } from "../program.ts";

const network = new Network({ protocols: [http()] });
const headers = new Map([["content-type", "application/octet-stream"]]);

export const program: EchoProgram = {
  version: polywireVersion,
  async serve() {
    const listener = await network.listen("http://127.0.0.1:0/", {
      async exchange(exchange) {
        const body = await exchange.body.bytes();
        exchange.respond({ status: 200, headers }, body);
      },
    });
    return listener.endpoint.port ?? 0;
  },
  async connect(port) {
    const exchanger = await network.open(`http://127.0.0.1:${port}/echo`);
    const body = new Uint8Array(PAYLOAD_BYTES);
    const ask = async (): Promise<void> => {
      const response = await exchanger.request({ method: "POST", headers, body });
      await response.body.bytes();
    };
    return { run: (operations, inFlight) => runConcurrently(operations, inFlight, ask) };
  },
};
