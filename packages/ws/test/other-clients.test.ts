import { Network, type Payload } from "@polywire/core";
import { expect, test } from "vitest";
import { WebSocket as LibrarySocket } from "ws";
import { ws } from "../src/index.ts";
import { Serving } from "./serving.ts";

const payloads: readonly Payload[] = [
  "hello",
  new Uint8Array([1, 2, 3]),
  "",
  "🎉".repeat(40_000),
  new Uint8Array(100_000),
];

test("Node's own WebSocket", async () => {
  await using serving = await Serving.start({ listen: { subprotocols: ["json"] } });
  const client = new WebSocket(`ws://127.0.0.1:${serving.port}/`, ["json", "other"]);
  client.binaryType = "arraybuffer";
  const received: Payload[] = [];
  const all = new Promise<void>((resolve) => {
    client.onmessage = ({ data }) => {
      received.push(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      if (received.length === payloads.length) resolve();
    };
  });
  await new Promise((resolve) => {
    client.onopen = resolve;
  });
  const served = await serving.next();
  served.onMessage = (payload) => void served.link.send(payload);
  for (const payload of payloads) client.send(payload as string);
  await all;
  expect(client.protocol).toBe("json");
  expect(received).toEqual(payloads);
  const closed = new Promise<CloseEvent>((resolve) => {
    client.onclose = resolve;
  });
  served.link.close({ code: 3001, reason: "enough" });
  expect(await closed).toMatchObject({ code: 3001, reason: "enough", wasClean: true });
  expect(await served.closed).toMatchObject({ by: "local", clean: true });
});

test("compressed links carry everything in order, and share no frames", async () => {
  await using serving = await Serving.start({ ws: { compression: true } });
  const client = new LibrarySocket(`ws://127.0.0.1:${serving.port}/`);
  const received: Payload[] = [];
  const closed = new Promise<number>((resolve) => client.on("close", resolve));
  client.on("message", (data: Buffer, isBinary: boolean) => {
    received.push(isBinary ? new Uint8Array(data) : data.toString());
  });
  await new Promise((resolve) => client.on("open", resolve));
  expect(client.extensions).toBe("permessage-deflate");
  const served = await serving.next();
  expect(served.link.framing).toBe(undefined);
  served.onMessage = (payload) => {
    served.link.send(payload);
    if (served.messages.length === payloads.length) served.link.close({ code: 3000 });
  };
  for (const payload of payloads) client.send(payload);
  expect(await closed).toBe(3000);
  expect(served.messages).toEqual(payloads);
  expect(received).toEqual(payloads);
});

test("a compressed message is held against the limit by its inflated size", async () => {
  await using serving = await Serving.start({ ws: { compression: true }, limits: { maxMessageBytes: 10_000 } });
  const client = new LibrarySocket(`ws://127.0.0.1:${serving.port}/`);
  const closed = new Promise<number>((resolve) => client.on("close", resolve));
  await new Promise((resolve) => client.on("open", resolve));
  client.send("x".repeat(100_000));
  expect(await closed).toBe(1009);
  const served = await serving.next();
  expect((await served.closed).error?.code).toBe("too-large");
  expect(served.messages).toEqual([]);
});

test("a dialled link compresses too, and drains", async () => {
  await using serving = await Serving.start({ ws: { compression: true } });
  await using network = new Network({ protocols: [ws({ compression: true })] });
  const connection = await network.connect(`ws://127.0.0.1:${serving.port}/`);
  const served = await serving.next();
  const text = "compressible ".repeat(40_000);
  const drained = new Promise((resolve) => connection.on("drain", resolve));
  expect(connection.send(text)).toBe("wait");
  await drained;
  await served.until(() => served.messages.length === 1);
  expect(served.messages).toEqual([text]);
  expect((await connection.close()).clean).toBe(true);
});
