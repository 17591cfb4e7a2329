import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { portOf, versionOf } from "../../servers/child.ts";
import { Echoes, type EchoProgram, PAYLOAD_BYTES } from "../program.ts";

export const program: EchoProgram = {
  version: `ws ${versionOf("ws")}`,
  async serve() {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    server.on("connection", (socket) => {
      socket.on("message", (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(server, "listening");
    return portOf(server as never);
  },
  async connect(port) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    await once(socket, "open");
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const echoes = new Echoes();
    const send = (): void => socket.send(payload);
    socket.on("message", () => {
      if (echoes.returned()) send();
    });
    return { run: (operations, inFlight) => echoes.start(operations, inFlight, send) };
  },
};
