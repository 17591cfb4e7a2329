import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { makeCertificate } from "@polywire/conformance/testing";
import { type AnyProtocol, type Handler, type Listener, Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { afterAll, expect, test } from "vitest";
import { freePorts, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-probe-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** Answers every message, and every request. */
const peer: Handler = {
  link: (link) => link.open({ message: (payload) => void link.send(payload), closed() {} }),
  exchange: (exchange) => exchange.respond({ status: exchange.path === "/broken" ? 503 : 200 }),
};

interface Serving extends AsyncDisposable {
  readonly url: string;
}

async function serve(url: string, protocol: AnyProtocol, options: object = {}): Promise<Serving> {
  const network = new Network({ protocols: [protocol] });
  const listener: Listener = await network.listen(url as "ws://host/", peer, options);
  return {
    url: `${url.replace(/:0/, `:${listener.endpoint.port}`)}`,
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 2_000 }),
  };
}

const FAST = ["--count", "5", "--interval", "5ms"];

/** How each wire is measured, and what of its timeline is certain. */
const WIRES: readonly {
  readonly name: string;
  readonly url: string;
  readonly protocol: () => AnyProtocol;
  readonly listen?: object;
  readonly flags?: readonly string[];
  readonly how: string;
  readonly phases: readonly string[];
}[] = [
  {
    name: "ws",
    url: "ws://127.0.0.1:0/x",
    protocol: () => ws(),
    how: "ping",
    phases: ["connect", "handshake", "ready"],
  },
  { name: "tcp", url: "tcp://127.0.0.1:0", protocol: () => tcp(), how: "connect", phases: ["connect", "ready"] },
  { name: "unix", url: `unix://${directory}/socket`, protocol: () => tcp(), how: "connect", phases: ["ready"] },
  {
    name: "tcp by messages",
    url: "tcp://127.0.0.1:0",
    protocol: () => tcp(),
    listen: { framing: "lines" },
    flags: ["--send", "hello", "--framing", "lines"],
    how: "message",
    phases: ["connect", "ready"],
  },
  {
    name: "udp",
    url: "udp://127.0.0.1:0",
    protocol: () => udp(),
    listen: { mode: "reliable" },
    how: "ping",
    phases: ["handshake", "ready"],
  },
  {
    name: "plain udp",
    url: "udp://127.0.0.1:0",
    protocol: () => udp(),
    flags: ["--send", "hello", "--mode", "plain"],
    how: "message",
    phases: ["ready"],
  },
  {
    name: "grpc",
    url: "grpc://127.0.0.1:0/a.B/C",
    protocol: () => grpc(),
    listen: { carries: "links" },
    how: "ping",
    phases: ["connect", "ready"],
  },
  {
    name: "http",
    url: "http://127.0.0.1:0/health",
    protocol: () => http(),
    how: "request",
    phases: ["connect", "open"],
  },
];

test.each(WIRES)("$name is measured by $how", TIMEOUT, async ({ url, protocol, listen, flags = [], how, phases }) => {
  await using serving = await serve(url, protocol(), listen);
  await using probe = runPolywire(["probe", serving.url, ...FAST, ...flags, "--json"]);
  expect(await probe.ended()).toBe(0);
  const events = probe.output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.slice(0, -1)).toHaveLength(5);
  const result = events.at(-1) as { timeline: { atMs: number; what: string }[]; p50Ms: number; p95Ms: number };
  expect(result).toMatchObject({ event: "result", how, sent: 5, answered: 5, loss: 0, level: expect.any(String) });
  expect(result.p50Ms).toBeGreaterThan(0);
  expect(result.p95Ms).toBeGreaterThanOrEqual(result.p50Ms);
  expect(result.timeline.map(({ what }) => what)).toEqual(expect.arrayContaining([...phases]));
  expect(result.timeline[0]).toMatchObject({ atMs: 0 });
});

test("a gRPC server is measured by its health service where the URL names no method", TIMEOUT, async () => {
  await using serving = await serve("grpc://127.0.0.1:0/a.B/C", grpc(), { carries: "links" });
  await using probe = runPolywire(["probe", serving.url.replace("/a.B/C", ""), ...FAST]);
  expect(await probe.ended()).toBe(0);
  expect(probe.output).toContain("by health check: 5 asked, 5 answered, 0.0 % lost");
});

test("people read a line for each answer, the figures and the timeline; TLS has its phase", TIMEOUT, async () => {
  const { cert, key } = makeCertificate({ name: "test", hosts: ["localhost"] });
  const ca = path.join(directory, "ca.pem");
  fs.writeFileSync(ca, cert);
  await using serving = await serve("wss://127.0.0.1:0/x", ws(), { tls: { cert, key } });
  await using probe = runPolywire(["probe", serving.url.replace("127.0.0.1", "localhost"), ...FAST, "--ca", ca]);
  expect(await probe.ended()).toBe(0);
  expect(probe.errors).toMatch(/^polywire: probing wss:\/\/localhost:\d+\/x by ping\n$/);
  const lines = probe.output.split("\n");
  expect(lines.slice(0, 5)).toEqual(
    Array.from({ length: 5 }, (_, index) => expect.stringMatching(`^  ${index + 1} +[0-9.]+ ms$`)),
  );
  expect(probe.output).toMatch(
    /round trip: p50 [0-9.]+ ms, p95 [0-9.]+ ms, jitter [0-9.]+ ms\nquality: \w+ \(score [0-9.]+, most costs: \w+\)\ntimeline\n/,
  );
  expect(probe.output).toMatch(
    /├── \+[0-9.]+ ms dns\n├── \+[0-9.]+ ms connect\n├── \+[0-9.]+ ms tls\n├── \+[0-9.]+ ms handshake\n/,
  );
});

test("a server that fails is asked all the same, and the score says so", TIMEOUT, async () => {
  await using serving = await serve("http://127.0.0.1:0/broken", http());
  await using probe = runPolywire(["probe", serving.url, ...FAST]);
  expect(await probe.ended()).toBe(1);
  expect(probe.output).toContain("  1  no answer: it answered 503");
  expect(probe.output).toContain(
    "5 asked, 0 answered, 100.0 % lost\nquality: critical (score 0.0, most costs: errors)",
  );
});

test("where nobody listens, the error and how far it came are told", TIMEOUT, async () => {
  const [port] = await freePorts(1);
  for (const url of [`ws://127.0.0.1:${port}/x`, `tcp://127.0.0.1:${port}`, `grpc://127.0.0.1:${port}/x.Y/z`]) {
    await using probe = runPolywire(["probe", url, ...FAST]);
    expect(await probe.ended()).toBe(1);
    expect(probe.errors).toMatch(/^timeline\n├── \+0.00 ms connecting \(asked for\)\n/);
    expect(probe.errors).toMatch(/\npolywire: .*ECONNREFUSED.*\n$/);
  }
});

test("a wire without a ping says what else there is", TIMEOUT, async () => {
  await using serving = await serve("udp://127.0.0.1:0", udp());
  await using probe = runPolywire(["probe", serving.url, "--mode", "plain"]);
  expect(await probe.ended()).toBe(2);
  expect(probe.errors).toContain("has no ping here: give --send, or another --mode");
});

test("a live view goes on until it is stopped", TIMEOUT, async () => {
  await using serving = await serve("ws://127.0.0.1:0/x", ws());
  await using probe = runPolywire(["probe", serving.url, "--watch", "--interval", "5ms"]);
  await probe.printed(/ 3 asked, 3 answered/);
  probe.process.kill("SIGINT");
  expect(await probe.ended()).toBe(0);
  expect(probe.output).toMatch(/[▁▂▃▄▅▆▇█]{3} up to [0-9.]+ ms/);
});
