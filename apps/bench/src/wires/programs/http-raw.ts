import { once } from "node:events";
import { createServer } from "node:http";
import { Pool } from "undici";
import { portOf, versionOf } from "../../servers/child.ts";
import { type EchoProgram, PAYLOAD_BYTES, runConcurrently } from "../program.ts";

const CONNECTIONS = 16;

export const program: EchoProgram = {
  version: `undici ${versionOf("undici")}`,
  async serve() {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => void chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(200, { "content-type": "application/octet-stream" });
        response.end(Buffer.concat(chunks));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return portOf(server);
  },
  async connect(port) {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS });
    const body = Buffer.alloc(PAYLOAD_BYTES);
    const headers = { "content-type": "application/octet-stream" };
    const ask = async (): Promise<void> => {
      const response = await pool.request({ method: "POST", path: "/echo", headers, body });
      await response.body.bytes();
    };
    return { run: (operations, inFlight) => runConcurrently(operations, inFlight, ask) };
  },
};
