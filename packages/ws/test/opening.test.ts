import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { canAdopt } from "../src/link-socket.ts";
import { plainKey, switchingProtocols } from "../src/opening.ts";
import { clientFrame, RawClient, upgradeRequest } from "./raw-client.ts";
import { Serving } from "./serving.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const PLAIN = {
  method: "GET",
  headers: { upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": KEY },
  socket: { listenerCount: () => 0 },
};
const NOT_COMPRESSING = { isCompressing: false };

function keyOf(request: object, options: { readonly isCompressing: boolean } = NOT_COMPRESSING): string | undefined {
  return plainKey({ ...PLAIN, ...request } as unknown as IncomingMessage, options);
}

function withHeaders(headers: Readonly<Record<string, string | undefined>>): object {
  return { headers: { ...PLAIN.headers, ...headers } };
}

test("the installed library lets us hand sockets over", () => {
  expect(canAdopt).toBe(true);
});

test("the answer is that of RFC 6455, section 1.3", () => {
  expect(switchingProtocols(KEY, "chat")).toBe(
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      "Sec-WebSocket-Protocol: chat\r\n\r\n",
  );
});

test.each([
  {},
  withHeaders({ upgrade: "WebSocket" }),
  withHeaders({ "sec-websocket-protocol": "centrifuge-json" }),
  withHeaders({ "sec-websocket-extensions": "permessage-deflate" }),
])("a plain request: %j", (request) => {
  expect(keyOf(request)).toBe(KEY);
});

test.each([
  { method: "POST" },
  withHeaders({ upgrade: undefined }),
  withHeaders({ upgrade: "h2c" }),
  withHeaders({ "sec-websocket-version": "8" }),
  withHeaders({ "sec-websocket-version": "13, 8" }),
  withHeaders({ "sec-websocket-key": undefined }),
  withHeaders({ "sec-websocket-key": "c2hvcnQ=" }),
  withHeaders({ "sec-websocket-key": `${KEY}\n` }),
  withHeaders({ "sec-websocket-protocol": "one, two" }),
  withHeaders({ "sec-websocket-protocol": "one\r\nset-cookie: x" }),
  { socket: { listenerCount: () => 1 } },
])("left to the library: %j", (request) => {
  expect(keyOf(request)).toBeUndefined();
});

test("an offer to compress is left to the library where it may be taken", () => {
  const request = withHeaders({ "sec-websocket-extensions": "permessage-deflate" });
  expect(keyOf(request, { isCompressing: true })).toBeUndefined();
  expect(keyOf({}, { isCompressing: true })).toBe(KEY);
});

test.each([{}, { "Sec-WebSocket-Protocol": "chat" }])(
  "our answer and the library's are the same, byte for byte: %j",
  async (headers) => {
    await using serving = await Serving.start({ listen: { subprotocols: ["chat"] } });
    const answers: string[] = [];
    for (const version of ["13", "8"]) {
      await using client = await RawClient.connect(serving.port);
      client.write(upgradeRequest({ headers: { ...headers, "Sec-WebSocket-Version": version } }));
      answers.push(await client.head());
    }
    expect(answers[0]).toContain("HTTP/1.1 101 ");
    expect(answers[0]).toBe(answers[1]);
  },
);

test("frames that come with the request are delivered, after the handshake", async () => {
  await using serving = await Serving.start();
  await using client = await RawClient.connect(serving.port);
  client.write(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame(1, "early"), clientFrame(1, "bird")]));
  expect(await client.head()).toContain("HTTP/1.1 101 ");
  const served = await serving.next();
  await served.until(() => served.messages.length === 2);
  expect(served.messages).toEqual(["early", "bird"]);
});
