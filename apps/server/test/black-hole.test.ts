import { cableTo } from "@polywire/conformance/testing";
import { type Connection, type ConnectionOptions, type Link, Network, type PolywireError } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { tcp } from "@polywire/tcp";
import { ws } from "@polywire/ws";
import { expect, test } from "vitest";

const INTERVAL_MS = 500;
/** RFC 6298's least, which is what it is on one machine. */
const TIMEOUT_MS = 1_000;
/** 15 % of jitter, and rounds of half a second for the beginning and the end of a check. */
const NOTICED_WITHIN_MS = INTERVAL_MS * 1.15 + 500 + TIMEOUT_MS + 500;

/** Every wire that is TCP below; where it has no ping, the echo is what is asked for. */
const WIRES: readonly (readonly [scheme: string, path: string, hasPing: boolean])[] = [
  ["ws", "/", true],
  ["tcp", "", false],
  ["grpc", "/echo.Echo/Talk", false],
];

const echo = (link: Link): void => link.open({ message: (payload) => void link.send(payload), closed() {} });

/** A round trip of a message, over the first link that carries one. */
async function echoes(connection: Connection): Promise<void> {
  const ask = (): void => void connection.send("still there?");
  const stop = connection.on("connect", ask);
  const heard = new Promise((resolve) => void connection.on("data", resolve, { once: true }));
  if (connection.state === "ready") ask();
  await heard;
  stop();
}

/** The next time that the connection waits for its next dial. */
function waits(connection: Connection): Promise<void> {
  return new Promise((resolve) => void connection.on("reconnecting", () => resolve(), { once: true }));
}

test.concurrent.each(WIRES)(
  "a peer behind a way that swallows everything is noticed within an interval and its timeout, and is back once it is mended: %s",
  { timeout: 60_000 },
  async (scheme, path, hasPing) => {
    const errors: PolywireError[] = [];
    await using server = new Network({ protocols: [tcp({ framing: "u32" }), ws(), grpc()] });
    const listener = await server.listen(`${scheme as "ws"}://127.0.0.1:0${path}`, echo);
    await using cable = await cableTo(() => listener.endpoint.port);
    await using network = new Network({ protocols: [tcp({ framing: "u32" }), ws(), grpc()] });
    network.on("error", (error) => void errors.push(error));
    const options: ConnectionOptions & { readonly timeoutMs: number } = {
      timeoutMs: 500,
      reconnect: { baseMs: 50, capMs: 200 },
      health: {
        ...(!hasPing && { check: { send: "are you well?", expect: "are you well?" } }),
        timeoutMs: TIMEOUT_MS,
        intervalMs: INTERVAL_MS,
        failingIntervalMs: INTERVAL_MS,
        unhealthyAfter: 1,
      },
    };
    const connection = (await network.connect(
      `${scheme as "ws"}://127.0.0.1:${cable.port}${path}`,
      options,
    )) as unknown as Connection;
    await echoes(connection);
    const told: string[] = [];
    for (const name of ["disconnect", "reconnected", "close"] as const) connection.on(name, () => void told.push(name));
    const lost = new Promise<{ readonly error?: PolywireError }>((resolve) => {
      connection.on("disconnect", ({ closeInfo }) => resolve(closeInfo), { once: true });
    });
    const swallowedAtMs = performance.now();
    cable.swallow();
    const { error } = await lost;
    const noticedAfterMs = performance.now() - swallowedAtMs;
    // What the machine needs besides is not the connection's.
    expect(noticedAfterMs).toBeLessThan(NOTICED_WITHIN_MS + 2_000);
    expect(error).toMatchObject({ code: "timed-out" });
    expect(connection.health.status).toBe("unhealthy");

    // The next link, or the dial of it, meets the hole too.
    await waits(connection);
    cable.mend();
    await echoes(connection);
    expect(told).not.toContain("close");
    // One for the other, in turn, the last one that it is back.
    expect(told.length).toBeGreaterThanOrEqual(2);
    expect(told).toEqual(told.map((_one, index) => (index % 2 === 0 ? "disconnect" : "reconnected")));
    expect(told.at(-1)).toBe("reconnected");
    expect(errors).toEqual([]);
  },
);

test.concurrent("a request into a way that swallows everything ends with its deadline, and the next one after it is mended is answered", {
  timeout: 30_000,
}, async () => {
  await using server = new Network({ protocols: [http()] });
  const listener = await server.listen("http://127.0.0.1:0/", {
    exchange: (exchange) => exchange.respond({ status: 200 }, "here"),
  });
  await using cable = await cableTo(() => listener.endpoint.port);
  await using network = new Network({ protocols: [http()] });
  const exchanger = await network.open(`http://127.0.0.1:${cable.port}/`);
  const ask = async (timeoutMs: number): Promise<string> => {
    const { body } = await exchanger.request({ method: "GET" }, { timeoutMs });
    return new TextDecoder().decode(await body.bytes());
  };
  expect(await ask(5_000)).toBe("here");
  cable.swallow();
  const askedAtMs = performance.now();
  await expect(ask(500)).rejects.toMatchObject({ code: "timed-out" });
  expect(performance.now() - askedAtMs).toBeLessThan(500 + 2_000);
  cable.mend();
  expect(await ask(5_000)).toBe("here");
});
