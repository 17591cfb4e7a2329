/** The obvious way: the `ws` package, a set of sockets per channel, `send(string)` to each in a loop. */
import { type WebSocket, WebSocketServer } from "ws";
import { portOf, serveBench, versionOf } from "./child.ts";

type Message =
  | { readonly type: "connect" }
  | { readonly type: "subscribe"; readonly channel: string }
  | { readonly type: "publish"; readonly channel: string; readonly data: unknown };

const channels = new Map<string, Set<WebSocket>>();
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });

server.on("connection", (socket) => {
  const joined = new Set<string>();
  socket.on("message", (bytes: Buffer) => {
    const message: Message = JSON.parse(bytes.toString());
    if (message.type === "connect") {
      socket.send(JSON.stringify({ type: "connected" }));
    } else if (message.type === "subscribe") {
      const subscribers = channels.get(message.channel) ?? new Set();
      channels.set(message.channel, subscribers.add(socket));
      joined.add(message.channel);
      socket.send(JSON.stringify({ type: "subscribed", channel: message.channel }));
    } else {
      const text = JSON.stringify({ channel: message.channel, data: message.data });
      for (const subscriber of channels.get(message.channel) ?? []) subscriber.send(text);
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    for (const channel of joined) channels.get(channel)?.delete(socket);
  });
});

server.on("listening", () => {
  serveBench({ port: portOf(server), version: `ws ${versionOf("ws")}` });
});
