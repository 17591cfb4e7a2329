import { once } from "node:events";
import { connect } from "node:net";

/** A peer that says something to the server's web address and nothing more, until it is closed; what it was told. */
export async function silentPeer(port: number, said: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let told = "";
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    told += chunk.toString("latin1");
  });
  socket.write(said, "latin1");
  await once(socket, "close");
  return told;
}

/** A handshake of a WebSocket. */
export const UPGRADE: string = [
  "GET /connection/websocket HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

/** A text message with no more in it than a mask of zeros needs: `nonsense`. */
export const NONSENSE = "\x81\x88\0\0\0\0nonsense";
