import { createSocket } from "node:dgram";
import { once } from "node:events";
import { issueToken } from "@polywire/auth-jwt";
import { silentLogger, systemClock } from "@polywire/core";
import { expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { listenAddress, readListenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { freePorts } from "./command.ts";

vi.setConfig({ testTimeout: 30_000 });

// Clients that only listen, or only say one thing, come through doors of their own: the same tokens open them.

const SECRET = "the secret of the server, in 32 bytes";

async function serve(): Promise<RunningServer & AsyncDisposable> {
  const [udpPort = 0] = await freePorts(1);
  const { config } = loadConfig(undefined, {
    POLYWIRE_CLIENT_TOKEN_HMAC_SECRET: SECRET,
    POLYWIRE_CHANNELS: "[{ match: '*', publish: clients }]",
  });
  const listen = [
    { ...listenAddress("127.0.0.1", 0), pong: true },
    { ...readListenAddress(`udp://127.0.0.1:${udpPort}`), pong: true },
  ];
  const server = await startServer({ ...config, listen, internal: [] }, { logger: silentLogger });
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() });
}

/** A token for a minute, that was made so long ago. */
function tokenOf(agoMs = 0): Promise<string> {
  const clock = { ...systemClock, wallTime: () => Date.now() - agoMs };
  return issueToken({ user: "42", channels: ["news"], ttlMs: 60_000 }, { hmacSecret: SECRET }, { clock });
}

const EXPIRED_MS = 61_000;

interface Told {
  readonly connect?: { readonly subs?: object; readonly ttl?: number };
  readonly disconnect?: { readonly code: number };
}

/** The first thing that a listener is told which says what became of its connect. */
type Door = (port: number, connect: object) => Promise<Told>;

async function firstOf(response: Response): Promise<Told> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value = "", done } = (await reader?.read()) ?? { done: true };
    text += value;
    const line = text
      .split(/\r?\n/)
      .map((each) => each.replace(/^data: /, ""))
      .find((each) => /"(dis)?connect"/.test(each));
    if (line !== undefined && (done || text.includes(`${line}\n`) || text.includes(`${line}\r`))) {
      await reader?.cancel();
      return JSON.parse(line) as Told;
    }
    if (done) throw new Error(`ended with ${JSON.stringify(text)}`);
  }
}

const DOORS: readonly [string, Door][] = [
  [
    "uni_sse",
    async (port, connect) =>
      firstOf(
        await fetch(
          `http://127.0.0.1:${port}/connection/uni_sse?cf_connect=${encodeURIComponent(JSON.stringify(connect))}`,
        ),
      ),
  ],
  [
    "uni_http_stream",
    async (port, connect) =>
      firstOf(
        await fetch(`http://127.0.0.1:${port}/connection/uni_http_stream`, {
          method: "POST",
          body: JSON.stringify(connect),
        }),
      ),
  ],
  [
    "uni_websocket",
    async (port, connect) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/uni_websocket`);
      socket.on("open", () => socket.send(JSON.stringify(connect)));
      const told = await Promise.race([
        once(socket, "message").then(([data]) => JSON.parse(String(data)) as Told),
        once(socket, "close").then(([code]) => ({ disconnect: { code: code as number } })),
      ]);
      socket.terminate();
      return told;
    },
  ],
];

test.each(DOORS)("%s opens to a token that is good, and to no other", async (_, knock) => {
  await using server = await serve();
  const port = server.listen[0]?.port ?? 0;
  const { connect } = await knock(port, { token: await tokenOf() });
  expect(connect?.subs).toHaveProperty("news");
  expect(connect?.ttl).toBeGreaterThan(50);
  expect((await knock(port, { token: await tokenOf(EXPIRED_MS) })).disconnect?.code).toBe(3005);
  expect((await knock(port, { token: `${await tokenOf()}x` })).disconnect?.code).toBe(3500);
  expect((await knock(port, {})).disconnect?.code).toBe(3501);
});

test("a sensor's one datagram is published with a token that is good, and with no other", async () => {
  await using server = await serve();
  const [http, udp] = server.listen;
  const said: unknown[] = [];
  const listening = new WebSocket(`ws://127.0.0.1:${http?.port}/connection/uni_websocket`);
  const good = Promise.withResolvers<void>();
  const last = Promise.withResolvers<void>();
  listening.on("message", (data) => {
    for (const line of String(data).split("\n")) {
      const { pub } = JSON.parse(line) as { pub?: { data: unknown; info?: { user: string } } };
      if (pub === undefined) continue;
      said.push([pub.data, pub.info?.user]);
      if (pub.data === "good") good.resolve();
      if (pub.data === "last") last.resolve();
    }
  });
  listening.on("open", async () => listening.send(JSON.stringify({ token: await tokenOf() })));
  await once(listening, "message");
  const sensor = createSocket("udp4");
  const send = (connect: object, data: unknown): Promise<void> =>
    new Promise((resolve, reject) => {
      const datagram = [
        { id: 1, connect },
        { id: 2, publish: { channel: "news", data } },
      ]
        .map((each) => JSON.stringify(each))
        .join("\n");
      sensor.send(datagram, udp?.port ?? 0, "127.0.0.1", (error) => (error === null ? resolve() : reject(error)));
    });
  await send({}, "without");
  await send({ token: await tokenOf(EXPIRED_MS) }, "expired");
  await send({ token: "garbage" }, "forged");
  await send({ token: await tokenOf() }, "good");
  await good.promise;
  await send({ token: await tokenOf() }, "last");
  await last.promise;
  sensor.close();
  listening.terminate();
  expect(said).toEqual([
    ["good", "42"],
    ["last", "42"],
  ]);
});
