import { once } from "node:events";
import fs from "node:fs";
import { connect as connectHttp2, type Settings } from "node:http2";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { issueToken } from "@polywire/auth-jwt";
import { makeCertificate } from "@polywire/conformance/testing";
import { Network, silentLogger } from "@polywire/core";
import { udp } from "@polywire/udp";
import { expect } from "vitest";
import { listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startServer } from "../../src/server.ts";
import { LimitedServer, standingClock } from "./limited-server.ts";
import { NONSENSE, silentPeer, UPGRADE } from "./silent-peer.ts";

/** Limits of addresses, links and connections. */
export const wireTrials: ReadonlyMap<string, () => Promise<void>> = new Map([
  [
    "limits.clients",
    async () => {
      await using server = await LimitedServer.with("limits.clients", 1);
      expect((await server.stream()).status).toBe(200);
      await using other = await LimitedServer.with("limits.clients", 1);
      await other.connected();
      expect(await streamEnd(other)).toContain('"code":3013');
    },
  ],
  [
    "limits.clientsPerUser",
    async () => {
      const hmacSecret = "thirty-two bytes of a secret, at least";
      const environment = { POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: hmacSecret };
      await using server = await LimitedServer.with("limits.clientsPerUser", 1, { environment });
      const tokenOf = (user: string): Promise<string> => issueToken({ user, ttlMs: 60_000 }, { hmacSecret });
      const connect = { connect: { token: await tokenOf("ada") } };
      expect(await server.client().ask(connect)).toHaveProperty("connect");
      const second = server.client();
      second.say({ id: 1, ...connect });
      expect(await second.end()).toBe(3504);
      const other = { connect: { token: await tokenOf("eve") } };
      expect(await server.client().ask(other)).toHaveProperty("connect");
    },
  ],
  [
    "limits.clientsPerAddress",
    async () => {
      await using server = await LimitedServer.with("limits.clientsPerAddress", 1);
      const first = await server.connected();
      expect(await server.client().end()).toBe(3013);
      first.close();
      while (((await server.stats())["sessions"] ?? 0) > 0);
      await server.connected();
    },
  ],
  [
    "limits.connectsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.connectsPerSecond", 1, { clock: standingClock() });
      expect((await server.stream()).status).toBe(200);
      const refused = await server.stream();
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
      // A page is no client.
      expect((await fetch(`http://127.0.0.1:${server.webPort}/`)).status).toBe(200);
    },
  ],
  [
    "limits.connectsPerSecondPerAddress",
    async () => {
      await using server = await LimitedServer.with("limits.connectsPerSecondPerAddress", 1, {
        clock: standingClock(),
      });
      expect((await server.stream()).status).toBe(200);
      expect((await server.stream()).status).toBe(503);
    },
  ],
  [
    "limits.handshakes",
    async () => {
      const { cert, key } = makeCertificate({ name: "test", hosts: ["127.0.0.1"] });
      const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-limits-"));
      const tls = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
      fs.writeFileSync(tls.certFile, cert);
      fs.writeFileSync(tls.keyFile, key);
      const { config } = loadConfig(undefined, { POLYWIRE_LIMITS_HANDSHAKES: "1" });
      const listen = [{ ...listenAddress("127.0.0.1", 0, "tcps"), pong: true, tls }];
      const server = await startServer({ ...config, listen, internal: [] }, { logger: silentLogger });
      const silent = connect(server.listen[0]?.port ?? 0, "127.0.0.1");
      await once(silent, "connect");
      expect(await silentPeer(server.listen[0]?.port ?? 0, "")).toBe("");
      expect(silent.destroyed || silent.readableEnded).toBe(false);
      silent.destroy();
      await server.stop();
      fs.rmSync(directory, { recursive: true });
    },
  ],
  [
    "limits.handshakeTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.handshakeTimeout", "200ms");
      expect(await silentPeer(server.webPort, "GET / HTTP/1.1\r\nHost:")).toContain("408");
    },
  ],
  [
    "limits.closeTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.closeTimeout", "200ms");
      // A close of the server's, to which nothing is said; without the limit that takes 5 s.
      const begun = performance.now();
      expect(await silentPeer(server.webPort, `${UPGRADE}${NONSENSE}`)).toContain("bad request");
      expect(performance.now() - begun).toBeLessThan(4_500);
    },
  ],
  [
    "limits.requestTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.requestTimeout", "100ms");
      // No less than the time for a handshake, which is 10 s; without the limit it takes 30 s.
      const begun = performance.now();
      const request = "POST /connection/http_stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n";
      expect(await silentPeer(server.webPort, request)).toContain("408");
      expect(performance.now() - begun).toBeLessThan(28_000);
    },
  ],
  [
    "limits.keepAliveTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.keepAliveTimeout", "2s");
      expect(await silentPeer(server.webPort, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).toContain(
        "timeout=2",
      );
    },
  ],
  [
    "limits.frameTimeout",
    async () => {
      await using server = await LimitedServer.with("limits.frameTimeout", "200ms");
      // Half a command. Not connected in time it would be told 3502.
      expect(await silentPeer(server.lowerPort("tcp"), '{"id":1,"conn')).not.toContain("3502");
    },
  ],
  [
    "limits.streamsPerConnection",
    async () => {
      await using server = await LimitedServer.with("limits.streamsPerConnection", 3);
      expect((await http2Settings(server)).maxConcurrentStreams).toBe(3);
    },
  ],
  [
    "limits.metadataBytes",
    async () => {
      await using server = await LimitedServer.with("limits.metadataBytes", "2KiB");
      expect((await http2Settings(server)).maxHeaderListSize).toBe(2_048);
    },
  ],
  [
    "limits.connectionAge",
    async () => {
      await using server = await LimitedServer.with("limits.connectionAge", "100ms");
      const connection = connectHttp2(`http://127.0.0.1:${server.lowerPort("grpc")}`);
      const [code] = (await once(connection, "goaway")) as [number];
      expect(code).toBe(0);
      connection.destroy();
    },
  ],
  [
    "limits.datagramPeers",
    async () => {
      await using server = await LimitedServer.with("limits.datagramPeers", 1);
      await using network = new Network({ protocols: [udp()] });
      const url = `udp://127.0.0.1:${server.lowerPort("udp")}` as const;
      await network.connect(url, { mode: "reliable", reconnect: false });
      await expect(network.connect(url, { mode: "reliable", reconnect: false, timeoutMs: 2_000 })).rejects.toThrow(
        /too many|503/,
      );
    },
  ],
  [
    "limits.datagramsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.datagramsPerSecond", 1);
      await using network = new Network({ protocols: [udp()] });
      const url = `udp://127.0.0.1:${server.lowerPort("udp")}` as const;
      // A handshake takes two.
      await expect(network.connect(url, { mode: "reliable", reconnect: false, timeoutMs: 400 })).rejects.toThrow(
        /in time|timed out|within/,
      );
    },
  ],
]);

/** What a client over server-sent events is told. */
async function streamEnd(server: LimitedServer): Promise<string> {
  const connecting = encodeURIComponent('{"id":1,"connect":{}}');
  const response = await fetch(`http://127.0.0.1:${server.webPort}/connection/sse?cf_connect=${connecting}`);
  return await response.text();
}

async function http2Settings(server: LimitedServer): Promise<Settings> {
  const connection = connectHttp2(`http://127.0.0.1:${server.lowerPort("grpc")}`);
  const [settings] = (await once(connection, "remoteSettings")) as [Settings];
  connection.destroy();
  return settings;
}
