import { execFile } from "node:child_process";
import { createServer, type Server, type ServerResponse } from "node:http";
import { promisify } from "node:util";
import { Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type HttpDialOptions, type HttpExchanger, http } from "../src/index.ts";

interface Busy extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly exchanger: HttpExchanger;
  /** When requests arrived, on the clock. */
  readonly arrivedAtMs: number[];
  /** Fulfilled when so many milliseconds' rest has begun. */
  resting(): Promise<void>;
}

/** A server that answers the nth request as it is told, and an exchanger whose clock stands still. */
async function busy(
  answer: (response: ServerResponse, nth: number) => void,
  options: HttpDialOptions = {},
): Promise<Busy> {
  const clock = new ManualClock();
  const arrivedAtMs: number[] = [];
  const server: Server = createServer((_request, response) => {
    arrivedAtMs.push(clock.now());
    answer(response, arrivedAtMs.length);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const network = new Network({ protocols: [http()], clock });
  const exchanger = await network.open(`http://127.0.0.1:${port}/` as "http://127.0.0.1/", options);
  const before = clock.pending;
  return {
    clock,
    exchanger,
    arrivedAtMs,
    async resting() {
      // The deadline's timer is gone once the response has come, and the rest's is there.
      const count = arrivedAtMs.length;
      while (arrivedAtMs.length === count && count === 0) await new Promise((resolve) => void setImmediate(resolve));
      for (let turn = 0; turn < 50 || clock.pending === before; turn++)
        await new Promise((resolve) => void setImmediate(resolve));
    },
    async [Symbol.asyncDispose]() {
      await network.close({ timeoutMs: 1_000 });
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

const retryAfter = (response: ServerResponse, value: string, status: number = 503): void => {
  response.writeHead(status, { "retry-after": value });
  response.end("later");
};

test.each([
  ["seconds", "3", 503],
  ["seconds, for too many requests", "3", 429],
  ["a date", new Date(new ManualClock().wallTime() + 3_000).toUTCString(), 503],
])("Retry-After in %s is waited for, and the request made again", async (_what, value, status) => {
  await using server = await busy((response, nth) => {
    if (nth === 1) retryAfter(response, value, status);
    else response.end("now");
  });
  const asked = server.exchanger.request({ method: "GET" });
  await server.resting();
  server.clock.advance(2_999);
  await server.resting();
  expect(server.arrivedAtMs).toEqual([0]);
  server.clock.advance(1);
  const response = await asked;
  expect([response.status, Buffer.from(await response.body.bytes()).toString()]).toEqual([200, "now"]);
  expect(server.arrivedAtMs).toEqual([0, 3_000]);
});

test.each([
  ["past the deadline", "31", 503, "GET"],
  ["far past the deadline", "99999999999", 503, "GET"],
  ["that is neither", "soon", 503, "GET"],
  ["of a status that is not about time", "0", 500, "GET"],
  ["for what may not be repeated", "0", 503, "POST"],
])("a Retry-After %s is the caller's to read, at once", async (_what, value, status, method) => {
  await using server = await busy((response) => retryAfter(response, value, status));
  const response = await server.exchanger.request({ method, ...(method === "POST" && { body: "once" }) });
  expect([response.status, response.headers.get("retry-after")]).toEqual([status, value]);
  expect(Buffer.from(await response.body.bytes()).toString()).toBe("later");
  expect(server.arrivedAtMs).toEqual([0]);
});

test("after as many repetitions as there may be the answer is the caller's", async () => {
  await using server = await busy((response) => retryAfter(response, "0"), { retries: 1 });
  const response = await Promise.all([server.exchanger.request({ method: "GET" }), pass(server)]);
  expect(response[0].status).toBe(503);
  expect(server.arrivedAtMs).toHaveLength(2);
});

async function pass(server: Busy): Promise<void> {
  await server.resting();
  server.clock.advance(0);
}

test("who gives up while the request rests is not kept waiting", async () => {
  await using server = await busy((response) => retryAfter(response, "5"));
  const giveUp = new AbortController();
  const asked = server.exchanger.request({ method: "GET" }, { signal: giveUp.signal });
  await server.resting();
  giveUp.abort();
  await expect(asked).rejects.toMatchObject({ code: "aborted" });
  expect(server.arrivedAtMs).toEqual([0]);
});

test("a program that awaits an answer lives on while the request rests", { timeout: 30_000 }, async () => {
  let asked = 0;
  const server = createServer((request, response) => {
    // The connection is gone, so only the rest keeps the program alive.
    if (++asked === 1) request.socket.destroy();
    else response.end("at the second attempt");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const program = `
    import { Network } from "@polywire/core";
    import { http } from "@polywire/http";
    const network = new Network({ protocols: [http()], random: () => 1 });
    const exchanger = await network.open("http://127.0.0.1:${port}/");
    const { body } = await exchanger.request({ method: "GET" });
    console.log(new TextDecoder().decode(await body.bytes()));
    await network.close();
  `;
  const node = ["--conditions", "@polywire/source", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: import.meta.dirname });
  server.close();
  expect(stdout).toBe("at the second attempt\n");
});
