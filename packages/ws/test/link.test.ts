import { type CloseInfo, Network, type Payload } from "@polywire/core";
import { expect, test } from "vitest";
import { ws } from "../src/index.ts";

test("a message goes there and back", async () => {
  await using network = new Network({ protocols: [ws()] });
  const listener = await network.listen("ws://127.0.0.1:0/echo", (link) => {
    link.open({
      message: (payload) => void link.send(payload),
      closed: () => {},
    });
  });
  const connection = await network.connect(`ws://127.0.0.1:${listener.endpoint.port}/echo`);
  const received: Payload[] = [];
  const closed = new Promise<CloseInfo>((resolve) => connection.on("close", resolve));
  const two = new Promise<void>((resolve) => {
    connection.on("data", (payload) => {
      received.push(typeof payload === "string" ? payload : Buffer.from(payload).toString("hex"));
      if (received.length === 2) resolve();
    });
  });
  expect(connection.send("hello")).toBe("sent");
  expect(connection.send(new Uint8Array([1, 2, 3]))).toBe("sent");
  await two;
  expect(received).toEqual(["hello", "010203"]);
  await connection.close({ code: 3001, reason: "bye" });
  expect(await closed).toMatchObject({ by: "local", clean: true, code: 3001, reason: "bye", bytesLost: 0 });
});
