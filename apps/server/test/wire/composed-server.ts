import assert from "node:assert/strict";
import { silentLogger } from "@polywire/core";
import { listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { ServerConfig } from "../../src/config/schema.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { type Encoding, json } from "./encodings.ts";
import { RawPeer, upgrade } from "./raw-peer.ts";
import { TestClock } from "./test-clock.ts";
import { transports, type Wire } from "./transports.ts";
import { WireClient } from "./wire-client.ts";

export const MESSAGE_BYTES: number = 65_536;
/** What a link takes for messages of that size: base64 and what surrounds them. */
export const LINK_BYTES: number = Math.ceil((MESSAGE_BYTES * 4) / 3) + 65_536;

/** Twice as many are the most that a client of these tests may say. */
const COMMANDS_PER_SECOND = 500;

const RULE = {
  kind: "public",
  publish: "server",
  data: "json",
  recovery: false,
  presence: false,
  joinLeave: false,
  compaction: false,
  tagsFilter: false,
  positioning: false,
  overflow: "disconnect",
  read: "subscribers",
} as const;

/** The whole server, as the command starts it, on a clock that stands still. */
export class ComposedServer implements AsyncDisposable {
  readonly clock: TestClock = new TestClock();
  readonly #wire: Wire;
  #server: RunningServer | undefined = undefined;

  private constructor() {
    const [websocket] = transports;
    assert(websocket !== undefined);
    this.#wire = websocket.open();
  }

  static async start(): Promise<ComposedServer> {
    const composed = new ComposedServer();
    const { config } = loadConfig(undefined, {});
    const changed: ServerConfig = {
      ...config,
      listen: [{ ...listenAddress("127.0.0.1", 0), pong: true }],
      internal: [],
      channels: [
        { ...RULE, match: "news*", publish: "clients", history: { size: 400, ttlMs: 600_000 }, recovery: true },
        { ...RULE, match: "room*", publish: "subscribers", presence: true, joinLeave: true },
        { ...RULE, match: "plain*", publish: "clients" },
      ],
      // Its clock stands still, so a client would never be allowed more than it is at first.
      limits: {
        ...config.limits,
        messageBytes: MESSAGE_BYTES,
        commandsPerSecond: COMMANDS_PER_SECOND,
        publishesPerSecond: COMMANDS_PER_SECOND,
      },
    };
    composed.#server = await startServer(changed, { logger: silentLogger, clock: composed.clock });
    return composed;
  }

  get port(): number {
    return this.#server?.listen[0]?.port ?? 0;
  }

  peer(): Promise<RawPeer> {
    return RawPeer.connect(this.port);
  }

  /** A peer through its handshake. */
  async upgraded(): Promise<RawPeer> {
    const peer = await this.peer();
    peer.write(upgrade());
    assert.match(await peer.statusLine(), / 101 /);
    return peer;
  }

  /** Others must be served, whatever somebody did. */
  async expectServed(): Promise<void> {
    const client = await this.connect();
    await client.subscribe("plain");
    client.link.cut();
  }

  dial(encoding: Encoding = json): Promise<WireClient> {
    const address = `ws://127.0.0.1:${this.port}/connection/websocket`;
    return WireClient.dial({ wire: this.#wire, address, encoding, patienceMs: 10_000 });
  }

  async connect(encoding: Encoding = json): Promise<WireClient> {
    const client = await this.dial(encoding);
    const { connect } = await client.connect();
    assert(connect !== undefined);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire[Symbol.asyncDispose]();
    await this.#server?.stop();
  }
}
