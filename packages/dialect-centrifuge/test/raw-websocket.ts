import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Payload } from "@polywire/core";

/* A WebSocket client that does only what it is told, and reads only when it is told to. */

const OPCODE = { text: 1, binary: 2 } as const;

/** One client frame of up to 125 bytes (RFC 6455, 5.2). */
export function clientFrame(payload: Payload): Buffer {
  const opcode = typeof payload === "string" ? OPCODE.text : OPCODE.binary;
  const bytes = Buffer.from(payload);
  const mask = randomBytes(4);
  const masked = bytes.map((byte, index) => byte ^ (mask[index % 4] as number));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | bytes.length]), mask, masked]);
}

/** The head of an upgrade request. */
export function upgradeRequest(url: URL): string {
  const head = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n`;
}

/** Upgrades the socket. What the server sends in data frames goes to the function that is named next. */
export async function upgraded(socket: Socket, url: URL): Promise<(take: (payload: Payload) => void) => void> {
  await once(socket, "connect");
  socket.write(upgradeRequest(url));
  let received: Buffer = Buffer.alloc(0);
  let take: ((payload: Payload) => void) | undefined;
  const opened = Promise.withResolvers<void>();
  let isOpen = false;
  const read = (): void => {
    if (!isOpen) {
      const end = received.indexOf("\r\n\r\n");
      if (end === -1) return;
      received = received.subarray(end + 4);
      isOpen = true;
      opened.resolve();
    }
    let position = 0;
    for (let found = frameAt(received, position); take !== undefined && found !== undefined; ) {
      const { opcode, payload, end } = found;
      if (opcode === OPCODE.text) take(payload.toString());
      else if (opcode === OPCODE.binary) take(new Uint8Array(payload));
      position = end;
      found = frameAt(received, position);
    }
    received = received.subarray(position);
  };
  socket.on("data", (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    read();
  });
  await opened.promise;
  return (to) => {
    take = to;
    read();
  };
}

/** The unmasked frame that begins here, if it is there as a whole. */
function frameAt(bytes: Buffer, start: number): { opcode: number; payload: Buffer; end: number } | undefined {
  const length = bytes[start + 1];
  if (length === undefined) return undefined;
  const extended = length === 126 ? 2 : 0;
  if (length === 127 || bytes.length < start + 2 + extended) return undefined;
  const from = start + 2 + extended;
  const end = from + (extended === 0 ? length : bytes.readUInt16BE(start + 2));
  if (bytes.length < end) return undefined;
  return { opcode: (bytes[start] as number) & 0xf, payload: bytes.subarray(from, end), end };
}
