import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { portOf } from "../../servers/child.ts";
import { Echoes, type EchoProgram, PAYLOAD_BYTES } from "../program.ts";

const HEADER_BYTES = 4;

/** Calls back for each message, a view into the chunk where it is whole. */
function onMessages(socket: Socket, message: (payload: Buffer) => void): void {
  let rest: Buffer | undefined;
  socket.on("data", (chunk: Buffer) => {
    let bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUInt32BE(0);
      if (bytes.length < end) break;
      message(bytes.subarray(HEADER_BYTES, end));
      bytes = bytes.subarray(end);
    }
    rest = bytes.length === 0 ? undefined : bytes;
  });
}

/** Writes of one turn leave together. */
function sender(socket: Socket): (payload: Uint8Array) => void {
  let isCorked = false;
  const uncork = (): void => {
    isCorked = false;
    socket.uncork();
  };
  return (payload) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      setImmediate(uncork);
    }
    const frame = Buffer.alloc(HEADER_BYTES + payload.byteLength);
    frame.writeUInt32BE(payload.byteLength, 0);
    frame.set(payload, HEADER_BYTES);
    socket.write(frame);
  };
}

export const program: EchoProgram = {
  version: `node:net ${process.versions.node}`,
  async serve() {
    const server = createServer({ noDelay: true }, (socket) => {
      onMessages(socket, sender(socket));
      socket.on("error", () => socket.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return portOf(server);
  },
  async connect(port) {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const echoes = new Echoes();
    const write = sender(socket);
    const send = (): void => write(payload);
    onMessages(socket, () => {
      if (echoes.returned()) send();
    });
    return { run: (operations, inFlight) => echoes.start(operations, inFlight, send) };
  },
};
