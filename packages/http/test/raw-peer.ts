import { connect } from "node:net";

/** Sends the bytes; answers all that came back when the server had closed the connection. */
export function rawExchange(port: number, bytes: string | readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(port, "127.0.0.1", () => {
      for (const part of typeof bytes === "string" ? [bytes] : bytes) socket.write(part);
    });
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => (received += text));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(received));
  });
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}
