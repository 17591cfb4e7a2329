import { type AnyProtocol, type Connection, Network, type Payload } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { ManualClock } from "@polywire/core/testing";
import {
  type Authenticated,
  type ChannelRule,
  DISCONNECTS,
  ERRORS,
  Hub,
  type HubOptions,
  type ReceivedMessage,
} from "@polywire/realtime";
import { describe, expect, it } from "vitest";
import { type CentrifugeHandler, type CentrifugeOptions, centrifuge } from "../src/index.ts";
import { ENCODINGS, type Encoding, frame, type Message } from "./wire-client.ts";

const channels: readonly ChannelRule[] = [
  { match: "everyone", kind: "broadcast", presence: true, joinLeave: true },
  { match: "sensors*", publish: "clients" },
  { match: "room", publish: "subscribers" },
];

/** A hub behind datagrams that get through. */
class Sensors implements AsyncDisposable {
  readonly hub: Hub;
  readonly handler: CentrifugeHandler;
  readonly clock = new ManualClock();
  readonly published: [channel: string, data: unknown][] = [];
  readonly answers: Payload[] = [];
  readonly connections: Connection[] = [];
  readonly #encoding: Encoding;
  readonly #network: Network<readonly AnyProtocol[]>;
  readonly #clients: Network<readonly AnyProtocol[]>;
  #address = "";

  private constructor(encoding: Encoding, hubOptions: HubOptions, options: CentrifugeOptions) {
    this.#encoding = encoding;
    this.hub = new Hub({ channels, clock: this.clock, ...hubOptions });
    this.handler = centrifuge(this.hub, { clock: this.clock, format: encoding, ...options });
    const protocols: readonly AnyProtocol[] = [memory({ kind: "datagram", loss: 0 })];
    this.#network = new Network({ protocols, services: [this.hub] });
    this.#clients = new Network({ protocols });
    for (const channel of ["sensors", "sensors2", "room"]) {
      this.hub.channel(channel).subscribe(({ data }) => {
        this.published.push([channel, JSON.parse(Buffer.from(data as Uint8Array).toString()) as unknown]);
      });
    }
  }

  static async start(
    encoding: Encoding,
    hubOptions: HubOptions = {},
    options: CentrifugeOptions = {},
  ): Promise<Sensors> {
    const sensors = new Sensors(encoding, hubOptions, options);
    const listener = await sensors.#network.listen("memory://hub:0/", sensors.handler);
    sensors.#address = String(listener.endpoint);
    return sensors;
  }

  async dial(): Promise<Connection> {
    const connection = await this.#clients.connect(this.#address, { reconnect: false });
    connection.on("data", (answer) => void this.answers.push(answer));
    this.connections.push(connection);
    return connection;
  }

  /** Sends one datagram and waits until it has been dealt with. */
  async say(connection: Connection, ...commands: readonly Message[]): Promise<void> {
    await this.sayRaw(connection, frame(this.#encoding, ...commands));
  }

  async sayRaw(connection: Connection, datagram: Payload): Promise<void> {
    const dealt = this.#dealt();
    connection.send(datagram);
    await this.until(() => this.#dealt() > dealt && this.handler.stats().datagrams.inFlight === 0);
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #dealt(): number {
    const { taken, refused, dropped } = this.handler.stats().datagrams;
    return taken + refused + dropped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clients.close();
    await this.#network.close();
  }
}

const connect = (token = ""): Message => ({ id: 1, connect: { token } });
const publish = (channel: string, data: unknown): Message => ({ id: 2, publish: { channel, data } });

describe.each(ENCODINGS)("a datagram in %s", (encoding) => {
  it("is a session of its own: it connects, publishes and sends, and is told nothing", async () => {
    const received: ReceivedMessage[] = [];
    await using sensors = await Sensors.start(encoding, { receive: (message) => void received.push(message) });
    const connection = await sensors.dial();
    await sensors.say(connection, connect(), publish("sensors", { t: 21 }), publish("sensors2", 1), {
      send: { data: 2 },
    });
    expect(sensors.published).toEqual([
      ["sensors", { t: 21 }],
      ["sensors2", 1],
    ]);
    expect(received.map(({ data }) => Buffer.from(data).toString())).toEqual(["2"]);
    expect(sensors.handler.stats().datagrams).toEqual({ taken: 1, refused: 0, dropped: 0, inFlight: 0 });
    // Everybody is in the broadcast channel, but those who hear nothing are in none.
    expect(sensors.hub.stats()).toMatchObject({ sessions: 0, connects: 1, memberships: 0 });
    expect(sensors.answers).toEqual([]);
    expect(connection.state).toBe("ready");
  });

  it("says each time who it is, and is who authenticate says", async () => {
    const tokens: string[] = [];
    const authenticate: HubOptions["authenticate"] = ({ token = "", origin }) => {
      tokens.push(`${token} ${origin.transport} ${origin.encoding} ${String(origin.address)}`);
      return token === "secret" ? { user: "sensor 7" } : { error: ERRORS.tokenExpired };
    };
    await using sensors = await Sensors.start(encoding, { authenticate });
    const infos: unknown[] = [];
    sensors.hub.channel("sensors").subscribe(({ info }) => void infos.push(info?.user));
    const connection = await sensors.dial();
    await sensors.say(connection, connect("secret"), publish("sensors", 1));
    await sensors.say(connection, connect("wrong"), publish("sensors", 2));
    await sensors.say(connection, connect("secret"), publish("sensors", 3));
    expect(tokens).toEqual(["secret", "wrong", "secret"].map((token) => `${token} memory ${encoding} memory`));
    expect([sensors.published, infos]).toEqual([
      [
        ["sensors", 1],
        ["sensors", 3],
      ],
      ["sensor 7", "sensor 7"],
    ]);
    expect(sensors.handler.stats().datagrams).toMatchObject({ taken: 2, refused: 1 });
    expect(sensors.answers).toEqual([]);
  });

  it.each<[string, readonly Message[]]>([
    ["no connect", [publish("sensors", 1)]],
    ["a publish before its connect", [publish("sensors", 1), connect()]],
    ["two connects", [connect(), connect(), publish("sensors", 1)]],
    ["a subscribe", [connect(), publish("sensors", 1), { id: 3, subscribe: { channel: "sensors" } }]],
    ["history", [connect(), { id: 3, history: { channel: "sensors" } }]],
    ["a pong", [connect(), {}]],
    ["more commands than a frame may have", [connect(), ...Array.from({ length: 4 }, () => publish("sensors", 1))]],
  ])("with %s does nothing at all", async (_what, commands) => {
    await using sensors = await Sensors.start(encoding, {}, { maxCommandsPerFrame: 4 });
    const connection = await sensors.dial();
    await sensors.say(connection, ...commands);
    expect(sensors.published).toEqual([]);
    expect(sensors.handler.stats().datagrams).toMatchObject({ taken: 0, refused: 1 });
    expect(sensors.hub.stats().connects).toBe(0);
    expect(sensors.answers).toEqual([]);
  });

  it.each<[string, Payload]>([
    ["nothing", ""],
    ["garbage", "garbage"],
    ["bytes", new Uint8Array([255, 254, 253])],
    ["a length that is a lie", new Uint8Array([255, 255, 255, 255, 15, 8])],
  ])("of %s harms nobody, not even its own sender", async (_what, datagram) => {
    await using sensors = await Sensors.start(encoding);
    const connection = await sensors.dial();
    await sensors.sayRaw(connection, datagram);
    await sensors.say(connection, connect(), publish("sensors", "still here"));
    expect(sensors.published).toEqual([["sensors", "still here"]]);
    expect(sensors.handler.stats().datagrams).toMatchObject({ taken: 1, refused: 1 });
    expect(sensors.answers).toEqual([]);
  });

  it("that may publish one thing and not another publishes the one, and counts as refused", async () => {
    await using sensors = await Sensors.start(encoding);
    const connection = await sensors.dial();
    await sensors.say(connection, connect(), publish("room", 1), publish("sensors", 2), publish("everyone", 3));
    expect(sensors.published).toEqual([["sensors", 2]]);
    expect(sensors.handler.stats().datagrams).toMatchObject({ taken: 0, refused: 1, inFlight: 0 });
  });

  it("whose session the program or a full hub ends is refused", async () => {
    const authenticate: HubOptions["authenticate"] = () => ({ disconnect: DISCONNECTS.invalidToken });
    await using sensors = await Sensors.start(encoding, { authenticate });
    await sensors.say(await sensors.dial(), connect(), publish("sensors", 1));
    expect(sensors.handler.stats().datagrams).toMatchObject({ taken: 0, refused: 1, inFlight: 0 });

    const gate = Promise.withResolvers<Authenticated>();
    await using full = await Sensors.start(encoding, { limits: { sessions: 1 }, authenticate: () => gate.promise });
    const connection = await full.dial();
    connection.send(frame(encoding, connect(), publish("sensors", 1)));
    await full.until(() => full.handler.stats().datagrams.inFlight === 1);
    connection.send(frame(encoding, connect(), publish("sensors", 2)));
    await full.until(() => full.handler.stats().datagrams.refused === 1);
    gate.resolve({ user: "" });
    await full.until(() => full.handler.stats().datagrams.taken === 1);
    expect(full.published).toEqual([["sensors", 1]]);
  });
});

describe("many datagrams at once", () => {
  it("of one user are all taken: they are none of the sessions that a user may have", async () => {
    await using sensors = await Sensors.start("json", {
      limits: { sessionsPerUser: 1 },
      authenticate: () => Promise.resolve({ user: "42" }),
    });
    const connection = await sensors.dial();
    for (let count = 0; count < 50; count++) connection.send(frame("json", connect(), publish("sensors", count)));
    await sensors.until(() => sensors.handler.stats().datagrams.taken === 50);
    expect(sensors.published.map(([, data]) => data)).toEqual(Array.from({ length: 50 }, (_, count) => count));
  });
});

describe("datagrams that take long", () => {
  it("are dropped past a number, and given up after 10 s", async () => {
    const hung = Promise.withResolvers<Authenticated>();
    const limits = { hookTimeoutMs: 60_000, connectTimeoutMs: 60_000 };
    await using sensors = await Sensors.start(
      "json",
      { limits, authenticate: ({ token }) => (token === "slow" ? hung.promise : { user: "" }) },
      { maxDatagramsInFlight: 2 },
    );
    const connection = await sensors.dial();
    for (let count = 0; count < 5; count++) connection.send(frame("json", connect("slow"), publish("sensors", count)));
    await sensors.until(() => sensors.handler.stats().datagrams.dropped === 3);
    expect(sensors.handler.stats().datagrams).toEqual({ taken: 0, refused: 0, dropped: 3, inFlight: 2 });
    sensors.clock.advance(9_999);
    expect(sensors.handler.stats().datagrams.inFlight).toBe(2);
    sensors.clock.advance(1);
    expect(sensors.handler.stats().datagrams).toEqual({ taken: 0, refused: 2, dropped: 3, inFlight: 0 });
    expect(sensors.hub.stats().sessions).toBe(0);
    await sensors.say(connection, connect("fast"), publish("sensors", "fast"));
    hung.resolve({ user: "late" });
    expect(sensors.published).toEqual([["sensors", "fast"]]);
  });

  it("leave nothing behind: no timer, no session", async () => {
    await using sensors = await Sensors.start("json");
    const connection = await sensors.dial();
    await sensors.say(connection, connect(), publish("sensors", 0));
    const { pending } = sensors.clock;
    for (let count = 0; count < 100; count++) await sensors.say(connection, connect(), publish("sensors", count));
    expect([sensors.clock.pending, sensors.hub.stats().sessions]).toEqual([pending, 0]);
  });
});
