import { once } from "node:events";
import { connect } from "node:net";
import { type Link, Network } from "@polywire/core";
import { http } from "@polywire/http";
import { ws } from "@polywire/ws";
import { expect, test } from "vitest";

test("the server of a listener of requests can be shared with WebSocket, whose links outlive the listener of requests", async () => {
  await using network = new Network({ protocols: [http(), ws()] });
  const listener = await network.listen("http://127.0.0.1:0/", {
    exchange: (exchange) => exchange.respond({ status: 200 }, "page"),
  });
  const { port } = listener.endpoint;
  const links: Link[] = [];
  await network.listen(
    `ws://127.0.0.1:${port}/socket` as "ws://127.0.0.1/",
    (link) => {
      links.push(link);
      link.open({ message: (payload) => void link.send(payload), closed() {} });
    },
    { server: listener.server },
  );

  const connection = await network.connect(`ws://127.0.0.1:${port}/socket` as "ws://127.0.0.1/");
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("page");
  const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
  const nowhere = `GET /nowhere HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
  expect(await statusOf(port ?? 0, nowhere)).toBe(404);

  await listener.close();
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("still here");
  expect(await heard).toBe("still here");
});

/** The status of what comes back. */
async function statusOf(port: number, request: string): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  socket.write(request);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer.toString())?.[1]);
}
