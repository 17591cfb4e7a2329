import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { makeCertificate } from "@polywire/conformance/testing";
import { type LogFields, type Logger, silentLogger } from "@polywire/core";
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

test("who is turned away before anybody judges is counted, on every wire of streams", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-audit-"));
  const { cert, key } = makeCertificate({ name: "polywire", hosts: ["127.0.0.1"] });
  const tls = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
  fs.writeFileSync(tls.certFile, cert);
  fs.writeFileSync(tls.keyFile, key, { mode: 0o600 });
  const { config } = loadConfig(undefined, {});
  const listen = (["http", "https", "tcps", "grpcs"] as const).map((scheme) => ({
    ...listenAddress("127.0.0.1", 0, scheme),
    pong: true,
    ...(scheme === "http" ? {} : { tls }),
  }));
  const internal = [listenAddress("127.0.0.1", 0)];
  const server = await startServer({ ...config, listen, internal }, { logger: silentLogger });
  for (const { port } of server.listen) {
    const stranger = net.connect(port, "127.0.0.1").on("error", () => {});
    stranger.write("nonsense\r\n\r\n");
    await once(stranger.resume(), "close");
  }
  const metrics = await (await fetch(`http://127.0.0.1:${server.internal[0]?.port}/metrics`)).text();
  const counted = metrics.split("\n").filter((line) => line.startsWith("polywire_listener_turned_away_total{"));
  expect(counted.toSorted()).toEqual([
    'polywire_listener_turned_away_total{network_protocol_name="grpc",polywire_turned_away_cause="malformed"} 1',
    'polywire_listener_turned_away_total{network_protocol_name="http",polywire_turned_away_cause="malformed"} 2',
    'polywire_listener_turned_away_total{network_protocol_name="tcp",polywire_turned_away_cause="malformed"} 1',
  ]);
  await server.stop();
  fs.rmSync(directory, { recursive: true });
});
