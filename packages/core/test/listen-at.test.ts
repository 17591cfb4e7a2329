import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { listenAt, parseEndpoint } from "../src/index.ts";

const endpoint = parseEndpoint("tcp://127.0.0.1:0");

test("a server is bound, and what fails later ends nothing", async () => {
  const server = createServer();
  await listenAt(server, { host: "127.0.0.1", port: 0 }, endpoint);
  expect(server.listening).toBe(true);
  expect(server.emit("error", Object.assign(new Error("too many open files"), { code: "EMFILE" }))).toBe(true);
  await once(server.close(), "close");
});

test("an address that is taken: address-in-use, naming the endpoint", async () => {
  const server = createServer();
  await listenAt(server, { host: "127.0.0.1", port: 0 }, endpoint);
  const { port } = server.address() as { port: number };
  const second = listenAt(createServer(), { host: "127.0.0.1", port }, endpoint);
  await expect(second).rejects.toMatchObject({
    code: "address-in-use",
    message: expect.stringContaining('listen on "tcp://127.0.0.1:0"'),
  });
  await once(server.close(), "close");
});
