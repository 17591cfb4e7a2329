import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { issueToken, type TokenContent } from "@polywire/auth-jwt";
import { silentLogger } from "@polywire/core";
import { listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { TestClock } from "../wire/test-clock.ts";

const SECRET = "the secret of the server, in 32 bytes";
const API_KEY = "a-key-of-the-server-api-that-is-long-enough";

const HISTORY = { size: 100, ttl: "300s" };
const CHANNELS = [
  { match: "room:*", publish: "clients", history: HISTORY, recovery: true, presence: true, joinLeave: true },
  { match: "team:*", kind: "private", publish: "subscribers", presence: true },
  { match: "patched:*", publish: "clients", history: HISTORY, recovery: true, delta: "fossil" },
  { match: "numbered:*", publish: "clients", compaction: true },
  { match: "state:*", publish: "clients", history: HISTORY, recovery: "cache" },
  { match: "tagged:*", tagsFilter: true },
  { match: "*" },
];

/** The whole server, with tokens, the server API and a backend for calls, on a clock that stands still. */
export class SdkServer implements AsyncDisposable {
  readonly clock: TestClock = new TestClock();
  readonly #backend: Server;
  readonly #server: RunningServer;

  private constructor(backend: Server, server: RunningServer, clock: TestClock) {
    this.#backend = backend;
    this.#server = server;
    this.clock = clock;
  }

  static async start(): Promise<SdkServer> {
    const clock = new TestClock();
    const backend = await startBackend();
    const { config } = loadConfig(undefined, {
      POLYWIRE_API_KEY: API_KEY,
      POLYWIRE_CHANNELS: JSON.stringify(CHANNELS),
      POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: SECRET,
      POLYWIRE_HOOKS_RPC_URL: `http://127.0.0.1:${(backend.address() as AddressInfo).port}/`,
    });
    const here = listenAddress("127.0.0.1", 0);
    const anywhere = { listen: [{ ...here, pong: true }], internal: [here] };
    const server = await startServer({ ...config, ...anywhere }, { logger: silentLogger, clock });
    return new SdkServer(backend, server, clock);
  }

  get port(): number {
    return this.#server.listen[0]?.port ?? 0;
  }

  url(port: number = this.port): string {
    return `ws://127.0.0.1:${port}/connection/websocket`;
  }

  token(content: TokenContent): Promise<string> {
    return issueToken({ ttlMs: 600_000, ...content }, { hmacSecret: SECRET }, { clock: this.clock });
  }

  /** The server API. */
  async call(method: string, request: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#server.internal[0]?.port}/api/${method}`, {
      method: "POST",
      headers: { "x-api-key": API_KEY, "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const { result, error } = (await answer.json()) as { result?: unknown; error?: unknown };
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** Fulfilled when so many refreshes were granted: time that passes before takes them for late. */
  async refreshed(count: number): Promise<void> {
    const url = `http://127.0.0.1:${this.#server.internal[0]?.port}/metrics`;
    for (let granted = 0; granted < count; ) {
      const [, value = "0"] = /^polywire_hub_refresh_count_total (\d+)$/m.exec(await (await fetch(url)).text()) ?? [];
      granted = Number(value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#backend.closeAllConnections();
    this.#backend.close();
    const stopped = this.#server.stop();
    await this.clock.pass(30_000);
    await stopped;
  }
}

/** Answers every call with the method that was called, who called it, and the data turned round. */
async function startBackend(): Promise<Server> {
  const backend = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, user, data } = JSON.parse(body);
    const answer =
      method === "reverse"
        ? { result: { data: { method, user, reversed: [...data].reverse() } } }
        : { error: { code: 104, message: "method not found" } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  await once(backend.listen(0, "127.0.0.1"), "listening");
  return backend;
}
