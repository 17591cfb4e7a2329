import type { DialectName } from "./protocol.ts";

/** How a load client talks to one kind of server: what it asks, and how it knows the answers without parsing them. */
export interface Wire {
  readonly path: string;
  /** Sent as soon as the connection is upgraded; the channel is absent for a client that only connects. */
  greeting(channel: string | undefined): readonly string[];
  /** The next step of the greeting: messages to send, "ready", "refused", or nothing for a message without meaning here. */
  greet(message: string, channel: string | undefined): readonly string[] | "ready" | "refused" | undefined;
  /** The answer to a ping, when the message is one. */
  pong(message: Buffer): string | undefined;
  publish(channel: string, payload: string, id: number): string;
}

const centrifuge: Wire = {
  path: "/connection/websocket",
  greeting: (channel) => [
    channel === undefined
      ? '{"id":1,"connect":{}}'
      : `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${channel}"}}`,
  ],
  greet(message, channel) {
    if (message.includes('"error"')) return "refused";
    return message.includes(channel === undefined ? '"connect":{' : '"subscribe":{') ? "ready" : undefined;
  },
  pong: (message) => (message.length === 2 && message[0] === 0x7b ? "{}" : undefined),
  publish: (channel, payload, id) => `{"id":${id},"publish":{"channel":"${channel}","data":${payload}}}`,
};

const plain: Wire = {
  path: "/",
  greeting: (channel) =>
    channel === undefined
      ? ['{"type":"connect"}']
      : ['{"type":"connect"}', `{"type":"subscribe","channel":"${channel}"}`],
  greet(message, channel) {
    if (message.includes('"error"')) return "refused";
    return message.includes(channel === undefined ? '"connected"' : '"subscribed"') ? "ready" : undefined;
  },
  pong: () => undefined,
  publish: (channel, payload) => `{"type":"publish","channel":"${channel}","data":${payload}}`,
};

const socketIo: Wire = {
  path: "/socket.io/?EIO=4&transport=websocket",
  greeting: () => [],
  greet(message, channel) {
    if (message.startsWith("44{")) return "refused";
    if (message.startsWith("0")) return ["40"];
    if (message.startsWith("430")) return "ready";
    if (!message.startsWith("40")) return undefined;
    return channel === undefined ? "ready" : [`420["subscribe","${channel}"]`];
  },
  pong: (message) => (message.length === 1 && message[0] === 0x32 ? "3" : undefined),
  publish: (channel, payload) => `42["publish","${channel}",${payload}]`,
};

export const wires: Readonly<Record<DialectName, Wire>> = { centrifuge, plain, "socket.io": socketIo };
