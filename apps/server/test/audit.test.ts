import { once } from "node:events";
import type { LogFields, Logger } from "@polywire/core";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { startServer } from "../src/server.ts";

test("who is refused is in the log's component audit, from the handshake on, with the address and without the rest", async () => {
  const lines: [string, LogFields][] = [];
  const log: Logger["log"] = (_level, component, message, fields = {}) => {
    if (component === "audit") lines.push([message, fields]);
  };
  const { config } = loadConfig(undefined, { POLYWIRE_CHANNELS: "[{ match: a }]" });
  const [listen, internal] = [[{ ...listenAddress("127.0.0.1", 0), pong: true }], [listenAddress("127.0.0.1", 0)]];
  const server = await startServer({ ...config, listen, internal }, { logger: { log } });
  const url = `ws://127.0.0.1:${server.listen[0]?.port}/connection/websocket`;

  const page = new WebSocket(url, { origin: "https://evil.example", headers: { cookie: "session=c4n4ry" } });
  await once(page, "error");
  const client = new WebSocket(url);
  await once(client, "open");
  client.send('{"id":1,"connect":{"token":"c4n4ry"}}\n{"id":2,"publish":{"channel":"a","data":"c4n4ry"}}');
  while (lines.length < 2) await once(client, "message");
  const address = expect.stringMatching(/^127\.0\.0\.1/);
  expect(lines).toEqual([
    ["peer refused: origin not allowed", { status: 403, address, origin: "https://evil.example" }],
    ["publish refused: permission denied", { code: 103, client: expect.any(String), user: "", address, channel: "a" }],
  ]);
  expect(JSON.stringify(lines)).not.toContain("c4n4ry");
  const metrics = await (await fetch(`http://127.0.0.1:${server.internal[0]?.port}/metrics`)).text();
  expect(metrics).toContain(
    'polywire_hub_refusals_total{polywire_refusal_action="publish",polywire_refusal_reason="permission denied"} 1\n',
  );
  expect(metrics).toContain(
    'polywire_admission_refusals_total{http_response_status_code="403",network_protocol_name="ws"} 1\n',
  );
  client.terminate();
  await server.stop();
});
