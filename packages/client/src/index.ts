// What programs use.
export type { WebSocketOverOptions } from "./options.ts";
export type { LinkWebSocket, SocketCloseEvent, SocketErrorEvent, SocketMessageEvent } from "./web-socket.ts";
export { type LinkWebSocketClass, webSocketOver } from "./web-socket-over.ts";
export type { Frames } from "./wires.ts";
