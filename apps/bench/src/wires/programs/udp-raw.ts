import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Echoes, type EchoProgram, PAYLOAD_BYTES } from "../program.ts";

export const program: EchoProgram = {
  version: `node:dgram ${process.versions.node}`,
  async serve() {
    const socket = createSocket("udp4");
    socket.on("message", (message, { port, address }) => socket.send(message, port, address));
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return socket.address().port;
  },
  async connect(port) {
    const socket = createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const echoes = new Echoes();
    const send = (): void => socket.send(payload);
    socket.on("message", () => {
      if (echoes.returned()) send();
    });
    return { run: (operations, inFlight) => echoes.start(operations, inFlight, send) };
  },
};
