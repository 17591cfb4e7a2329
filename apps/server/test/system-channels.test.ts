import { silentLogger } from "@polywire/core";
import { Centrifuge } from "centrifuge";
import { expect, test } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { startServer } from "../src/server.ts";

test("clients watch the server by the system's channels: its figures, and its log without fields or secrets", async () => {
  const { config } = loadConfig(undefined, {
    POLYWIRE_CHANNELS: '[{ match: a }, { match: "$system:*", kind: system, subscribe: clients }]',
  });
  const [listen, internal] = [[{ ...listenAddress("127.0.0.1", 0), pong: true }], [listenAddress("127.0.0.1", 0)]];
  const server = await startServer({ ...config, listen, internal }, { logger: silentLogger });
  const client = new Centrifuge(`ws://127.0.0.1:${server.listen[0]?.port}/connection/websocket`);
  const next = (channel: string): Promise<unknown> => {
    const subscription = client.getSubscription(channel) ?? client.newSubscription(channel);
    subscription.subscribe();
    return new Promise((resolve) => subscription.once("publication", ({ data }) => resolve(data)));
  };
  client.connect();
  const first = next("$system:connections");
  const log = client.newSubscription("$system:log");
  log.subscribe();
  expect(await first).toMatchObject({ sessions: 1, connected: 1, connects: 1, refused: 0 });

  const line = next("$system:log");
  await log.ready();
  server.logger.log("info", "test", "not worth watching");
  for (const secret of ["c4n4ry", "c4n4ry", "c4n4ry"]) {
    server.logger.log("warn", "test", `lost http://user:${secret}@127.0.0.1/`, { secret });
  }
  const told = (await line) as { lines: object[] };
  expect(told.lines).toEqual([{ level: "warn", component: "test", message: expect.any(String), count: 3 }]);
  expect(JSON.stringify(told)).not.toContain("c4n4ry");
  client.disconnect();
  await server.stop();
});
