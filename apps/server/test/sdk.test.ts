import { request } from "node:http";
import { cableTo } from "@polywire/conformance/testing";
import { silentLogger } from "@polywire/core";
import { Centrifuge, type PublicationContext, type SubscribedContext, type Subscription } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { expect, test, vi } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import type { ServerConfig } from "../src/config/schema.ts";
import { startServer } from "../src/server.ts";

vi.setConfig({ testTimeout: 30_000 });

interface TestServer extends AsyncDisposable {
  readonly port: number;
}

async function serve(change: Partial<ServerConfig> = {}): Promise<TestServer> {
  const { config } = loadConfig(undefined, {});
  const anywhere = { listen: [{ ...listenAddress("127.0.0.1", 0), pong: true }], internal: [] };
  const server = await startServer({ ...config, ...anywhere, ...change }, { logger: silentLogger });
  return { port: server.listen[0]?.port ?? 0, [Symbol.asyncDispose]: () => server.stop() };
}

interface Encoding {
  readonly name: string;
  readonly make: (url: string) => Centrifuge;
  readonly data: (text: string) => unknown;
  readonly text: (data: unknown) => string;
}

const OPTIONS = { minReconnectDelay: 10, maxReconnectDelay: 100 };

const ENCODINGS: readonly Encoding[] = [
  {
    name: "JSON",
    make: (url) => new Centrifuge(url, OPTIONS),
    data: (text) => ({ text }),
    text: (data) => (data as { text: string }).text,
  },
  {
    name: "Protobuf",
    // The same class from another entry, with types of its own.
    make: (url) => new ProtobufCentrifuge(url, OPTIONS) as unknown as Centrifuge,
    data: (text) => new TextEncoder().encode(JSON.stringify({ text })),
    text: (data) => JSON.parse(new TextDecoder().decode(data as Uint8Array)).text,
  },
];

interface Member extends Disposable {
  readonly client: Centrifuge;
  readonly room: Subscription;
  readonly texts: string[];
  /** Fulfilled at the next subscription. */
  subscribed(): Promise<SubscribedContext>;
  /** Fulfilled when this many publications have come. */
  received(count: number): Promise<void>;
}

function join(encoding: Encoding, port: number, channel = "chat:room"): Member {
  const client = encoding.make(`ws://127.0.0.1:${port}/connection/websocket`);
  const room = client.newSubscription(channel);
  const texts: string[] = [];
  room.on("publication", ({ data }: PublicationContext) => texts.push(encoding.text(data)));
  return {
    client,
    room,
    texts,
    subscribed: () => new Promise((resolve) => room.once("subscribed", resolve)),
    received: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (texts.length < count) return;
          room.off("publication", look);
          resolve();
        };
        room.on("publication", look);
        look();
      }),
    [Symbol.dispose]: () => client.disconnect(),
  };
}

test.each(ENCODINGS)(
  "an SDK that loses its socket gets exactly the 5 messages that it missed ($name)",
  async (encoding) => {
    await using server = await serve();
    await using cable = await cableTo(() => server.port);
    using ada = join(encoding, cable.port);
    using bob = join(encoding, server.port);
    const adaIn = ada.subscribed();
    const bobIn = bob.subscribed();
    for (const { client, room } of [ada, bob]) {
      room.subscribe();
      client.connect();
    }
    expect(await adaIn).toMatchObject({ recoverable: true, wasRecovering: false });
    await bobIn;
    await bob.room.publish(encoding.data("before"));
    await ada.received(1);

    const back = ada.subscribed();
    cable.cut();
    await new Promise((resolve) => ada.client.once("connecting", resolve));
    for (let index = 1; index <= 5; index += 1) await bob.room.publish(encoding.data(`missed ${index}`));
    cable.mend();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    await ada.received(6);
    await bob.room.publish(encoding.data("after"));
    await ada.received(7);
    expect(ada.texts).toEqual(["before", "missed 1", "missed 2", "missed 3", "missed 4", "missed 5", "after"]);

    const { publications, offset } = await ada.room.history({ limit: 100 });
    expect(publications.map(({ data }) => encoding.text(data))).toEqual(ada.texts);
    expect(offset).toBe(7);
  },
);

test.each(ENCODINGS)("rights follow the rules of the configuration ($name)", async (encoding) => {
  await using server = await serve();
  using ada = join(encoding, server.port, "news");
  const subscribed = ada.subscribed();
  ada.room.subscribe();
  ada.client.connect();
  await subscribed;
  await expect(ada.room.publish(encoding.data("denied"))).rejects.toMatchObject({ code: 103 });
  await expect(ada.room.history({ limit: 1 })).rejects.toMatchObject({ code: 108 });
  await expect(ada.room.presence()).rejects.toMatchObject({ code: 108 });
});

test("limits reach the hub: one channel too many, one client too many", async () => {
  const { config } = loadConfig(undefined, {});
  const [json] = ENCODINGS;
  if (json === undefined) throw new Error("no encoding");
  await using server = await serve({ limits: { ...config.limits, clients: 1, channelsPerClient: 1 } });
  using ada = join(json, server.port);
  const subscribed = ada.subscribed();
  ada.room.subscribe();
  ada.client.connect();
  await subscribed;
  const second = ada.client.newSubscription("chat:second");
  const refused = new Promise((resolve) => second.once("error", resolve));
  const unsubscribed = new Promise((resolve) => second.once("unsubscribed", resolve));
  second.subscribe();
  expect(await Promise.race([refused, unsubscribed])).toMatchObject({ channel: "chat:second" });

  using bob = join(json, server.port);
  const failed = new Promise((resolve) => bob.client.once("error", resolve));
  bob.client.connect();
  await failed;
  expect(bob.client.state).not.toBe("connected");
});

test("W08: a page of another origin is refused, one of an allowed origin is let in", async () => {
  const { config } = loadConfig(undefined, {});
  await using server = await serve({ client: { ...config.client, allowedOrigins: ["https://app.example.com"] } });
  expect(await upgradeStatus(server.port, "https://evil.example.com")).toBe(403);
  expect(await upgradeStatus(server.port, "https://app.example.com")).toBe(101);
  expect(await upgradeStatus(server.port, `http://127.0.0.1:${server.port}`)).toBe(101);
});

/** The status that an upgrade request of a page of this origin gets. */
function upgradeStatus(port: number, origin: string): Promise<number | undefined> {
  const headers = {
    origin,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path: "/connection/websocket", headers });
    asking.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asking.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    asking.on("error", reject);
    asking.end();
  });
}
