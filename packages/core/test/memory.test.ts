import { expect, test } from "vitest";
import { type Link, messages, Network, type Payload } from "../src/index.ts";
import { memory } from "../src/memory.ts";

test("a message goes there and back", async () => {
  const network = new Network({ protocols: [memory()] });
  await using _ = network;
  await network.listen("memory://echo", (link) => {
    link.open({ message: (payload) => void link.send(payload), closed: () => {} });
  });
  const connection = await network.connect("memory://echo");
  connection.send("hello");
  connection.send(new Uint8Array([1, 2]));
  const received: Payload[] = [];
  for await (const payload of messages(connection)) {
    received.push(payload);
    if (received.length === 2) break;
  }
  expect(received).toEqual(["hello", new Uint8Array([1, 2])]);
  expect(await connection.close({ code: 3000, reason: "bye" })).toEqual({
    by: "local",
    clean: true,
    code: 3000,
    reason: "bye",
    retryable: false,
    bytesLost: 0,
  });
  expect(network.inspect().connections).toEqual([]);
});

test("both sides may end their directions one after the other", async () => {
  const network = new Network({ protocols: [memory()] });
  await using _ = network;
  const log: string[] = [];
  let served: Link | undefined;
  await network.listen("memory://half", (link) => {
    served = link;
    link.open({
      message: (payload) => void log.push(`server ${payload}`),
      ended: () => {
        log.push("server ended");
        link.send("reply");
        (link as unknown as { end(): void }).end();
      },
      closed: ({ by, clean }) => void log.push(`server closed ${by} ${clean}`),
    });
  });
  const connection = await network.connect("memory://half");
  connection.on("data", (payload) => void log.push(`client ${payload}`));
  connection.on("end", () => void log.push("client ended"));
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.send("request");
  connection.link.end();
  expect(connection.send("more")).toBe("refused");
  const info = await closed;
  expect(served).toBeDefined();
  expect(log).toEqual(["server request", "server ended", "client reply", "client ended", "server closed remote true"]);
  expect(info).toMatchObject({ by: "local", clean: true, bytesLost: 0 });
});
