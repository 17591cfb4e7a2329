import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Clock, silentLogger, systemClock } from "@polywire/core";
import { type ListenScheme, listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { LineClient } from "./line-client.ts";

const CHANNELS = `
channels:
  - { match: "kept*", publish: clients, history: { size: 100, ttl: 60s }, recovery: true, read: clients }
  - { match: "room*", presence: true, joinLeave: true }
  - { match: small, maxSubscribers: 1 }
  - { match: "*", publish: clients }
`;
/** The system's clock, but that the time it tells stands still: nobody is allowed more for having waited. */
export function standingClock(): Clock {
  const nowMs = systemClock.now();
  return {
    now: () => nowMs,
    wallTime: () => systemClock.wallTime(),
    setTimer: (callback, delayMs, options) => systemClock.setTimer(callback, delayMs, options),
    endOfTurn: (callback) => systemClock.endOfTurn(callback),
  };
}

interface LimitedServerOptions {
  /** Further keys of the same section. */
  readonly more?: string;
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The whole server with one limit set low. */
export class LimitedServer implements AsyncDisposable {
  readonly #running: RunningServer;
  readonly #clients: LineClient[] = [];

  private constructor(running: RunningServer) {
    this.#running = running;
  }

  /** The server with one key set and no other: `limits.clients: 1`. */
  static async with(
    key: string,
    value: string | number,
    { more = "", clock = systemClock, environment = {} }: LimitedServerOptions = {},
  ): Promise<LimitedServer> {
    const [section, name] = key.split(".");
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "polywire-limits-")), "polywire.yaml");
    fs.writeFileSync(file, `${section}: { ${name}: ${value}${more} }\n${CHANNELS}`);
    const loaded = loadConfig(file, environment).config;
    fs.rmSync(path.dirname(file), { recursive: true });
    const listen = (["http", "tcp", "udp", "grpc"] as const).map((scheme) => ({
      ...listenAddress("127.0.0.1", 0, scheme),
      pong: true,
    }));
    const config = { ...loaded, listen, internal: [listenAddress("127.0.0.1", 0)] };
    return new LimitedServer(await startServer(config, { logger: silentLogger, clock }));
  }

  get webPort(): number {
    return this.#running.listen[0]?.port ?? 0;
  }

  /** Where the server is for those who do not come over the web. */
  lowerPort(scheme: ListenScheme): number {
    return this.#running.listen.find((one) => one.scheme === scheme)?.port ?? 0;
  }

  client(): LineClient {
    const client = new LineClient(this.lowerPort("tcp"));
    this.#clients.push(client);
    return client;
  }

  connected(): Promise<LineClient> {
    return this.client().connected();
  }

  async subscriber(channel: string): Promise<LineClient> {
    return await (await this.connected()).subscribed(channel);
  }

  /** A client's request for a stream, as browsers ask for one. */
  async stream(): Promise<Response> {
    const connecting = encodeURIComponent('{"id":1,"connect":{}}');
    const response = await fetch(`http://127.0.0.1:${this.webPort}/connection/sse?cf_connect=${connecting}`);
    await response.body?.cancel();
    return response;
  }

  async stats(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.#running.internal[0]?.port}/health`);
    return ((await response.json()) as { readonly hub: Record<string, number> }).hub;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#running.stop();
  }
}
