import { once } from "node:events";
import { Network, silentLogger } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { udp } from "@polywire/udp";
import { describe, expect, test } from "vitest";
import { type ListenScheme, listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startServer } from "../../src/server.ts";
import { standingClock } from "./limited-server.ts";
import { silentPeer, UPGRADE } from "./silent-peer.ts";

describe("a client that comes too fast is refused politely", () => {
  /** A server that lets one client in a second in, at all its addresses together, and has let one in. */
  async function full(): Promise<{ readonly ports: (scheme: ListenScheme) => number } & AsyncDisposable> {
    const { config } = loadConfig(undefined, { POLYWIRE_LIMITS_CONNECTS_PER_SECOND: "1" });
    const schemes: readonly ListenScheme[] = ["http", "tcp", "udp", "grpc"];
    const listen = schemes.map((scheme) => ({ ...listenAddress("127.0.0.1", 0, scheme), pong: true }));
    const server = await startServer(
      { ...config, listen, internal: [] },
      { logger: silentLogger, clock: standingClock() },
    );
    const ports = (scheme: ListenScheme): number => server.listen.find((one) => one.scheme === scheme)?.port ?? 0;
    const first = new WebSocket(`ws://127.0.0.1:${ports("http")}/connection/websocket`);
    await once(first, "open");
    return {
      ports,
      async [Symbol.asyncDispose]() {
        first.close();
        await server.stop();
      },
    };
  }

  test("over a WebSocket: 503, with when to come back", async () => {
    await using server = await full();
    const told = await silentPeer(server.ports("http"), UPGRADE);
    expect(told).toMatch(/^HTTP\/1\.1 503 /);
    expect(told).toContain("Retry-After: 1\r\n");
    expect(told).toContain("too many clients come at once: try again later");
  });

  test("over HTTP: 503, with when to come back; pages are still to be had", async () => {
    await using server = await full();
    const base = `http://127.0.0.1:${server.ports("http")}`;
    const refused = await fetch(`${base}/connection/http_stream`, { method: "POST", body: '{"id":1,"connect":{}}' });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await fetch(base)).status).toBe(200);
    expect((await fetch(`${base}/health`)).status).toBe(200);
  });

  test("over TCP, UDP and gRPC: there is no link", async () => {
    await using server = await full();
    expect(await silentPeer(server.ports("tcp"), '{"id":1,"connect":{}}\n')).toBe("");
    await using network = new Network({ protocols: [udp(), grpc()] });
    await expect(
      network.connect(`udp://127.0.0.1:${server.ports("udp")}`, {
        mode: "reliable",
        timeoutMs: 2_000,
        reconnect: false,
      }),
    ).rejects.toThrow(/too many clients|503/);
    await expect(
      network.connect(`grpc://127.0.0.1:${server.ports("grpc")}/polywire.centrifuge.v1.Centrifuge/Connect`, {
        timeoutMs: 2_000,
        reconnect: false,
      }),
    ).rejects.toThrow(/too many clients|503/);
  });
});
