import { type AnyProtocol, type Link, Network } from "@polywire/core";
import { versionOf } from "../servers/child.ts";
import { Echoes, type EchoProgram, PAYLOAD_BYTES } from "./program.ts";

export const polywireVersion: string = `polywire ${versionOf("../../../../packages/core")}`;

interface Options {
  readonly [name: string]: unknown;
}

/** An echo over the links of any protocol, as a program would write it. */
export function linkEcho(
  protocol: AnyProtocol,
  url: (port: number) => string,
  options: Options = {},
  listenOptions: Options = {},
): EchoProgram {
  const network = new Network({ protocols: [protocol] });
  return {
    version: polywireVersion,
    async serve() {
      const serve = (link: Link): void =>
        link.open({
          message: (payload) => void link.send(payload),
          closed() {},
        });
      const listener = await network.listen(url(0), serve, { ...options, ...listenOptions });
      return listener.endpoint.port ?? 0;
    },
    async connect(port) {
      const connection = await network.connect(url(port), options);
      const payload = new Uint8Array(PAYLOAD_BYTES);
      const echoes = new Echoes();
      const send = (): void => void connection.send(payload);
      connection.on("data", () => {
        if (echoes.returned()) send();
      });
      return { run: (operations, inFlight) => echoes.start(operations, inFlight, send) };
    },
  };
}
