/** Socket.IO, websocket only, a room per channel. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { portOf, serveBench, versionOf } from "./child.ts";

const http = createServer();
const server = new Server(http, { transports: ["websocket"], serveClient: false, perMessageDeflate: false });

server.on("connection", (socket) => {
  socket.on("subscribe", (channel: string, done: () => void) => {
    void socket.join(channel);
    done();
  });
  socket.on("publish", (channel: string, data: unknown) => {
    server.to(channel).emit("publication", channel, data);
  });
});

http.listen(0, "127.0.0.1", () => {
  serveBench({ port: portOf(http), version: `socket.io ${versionOf("socket.io")}` });
});
