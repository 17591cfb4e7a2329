import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { cableTo, makeCertificate } from "@polywire/conformance/testing";
import { type AnyProtocol, type Handler, type Listener, Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { afterAll, describe, expect, test } from "vitest";
import { freePorts, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-connect-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

interface Echo extends AsyncDisposable {
  readonly url: string;
  readonly listener: Listener;
}

/** Sends back what it gets; does what it is told: `!close 4000 because`, `!hex 00ff`. */
const echo: Handler = {
  admit: ({ headers, offeredSubprotocols }) => {
    if (headers?.get("x-key") === "wrong") return { accepted: false, status: 403, reason: "wrong key" };
    return { accepted: true, subprotocol: offeredSubprotocols?.[0] };
  },
  link: (link) =>
    link.open({
      message(payload) {
        const text = typeof payload === "string" ? payload : Buffer.from(payload).toString();
        const [, word, rest = ""] = /^!(\w+) ?(.*)$/.exec(text) ?? [];
        if (word === "close") link.close({ code: Number(rest.split(" ")[0]), reason: rest.split(" ")[1] ?? "" });
        else if (word === "hex") link.send(Buffer.from(rest, "hex"));
        else if (link.send(payload) === "wait") link.pause();
      },
      drain: () => link.resume(),
      closed() {},
    }),
};

/** How one wire is served, and what the command needs to reach it. */
interface Wire {
  readonly name: string;
  readonly url: string;
  readonly protocol: () => AnyProtocol;
  readonly listen?: object;
  readonly flags: readonly string[];
}

/** Wires that carry text lines both ways; another is a line. */
const WIRES: readonly Wire[] = [
  { name: "ws", url: "ws://127.0.0.1:0/echo", protocol: () => ws(), flags: [] },
  {
    name: "tcp lines",
    url: "tcp://127.0.0.1:0",
    protocol: () => tcp(),
    listen: { framing: "lines" },
    flags: ["--framing", "lines"],
  },
  {
    name: "tcp varint",
    url: "tcp://127.0.0.1:0",
    protocol: () => tcp(),
    listen: { framing: "varint" },
    flags: ["--framing", "varint"],
  },
  {
    name: "unix",
    url: `unix:${path.join(directory, "u32.sock")}`,
    protocol: () => tcp(),
    listen: { framing: "u32" },
    flags: ["--framing", "u32"],
  },
  {
    name: "udp reliable",
    url: "udp://127.0.0.1:0",
    protocol: () => udp(),
    listen: { mode: "reliable" },
    flags: ["--mode", "reliable"],
  },
  { name: "grpc", url: "grpc://127.0.0.1:0/test.Echo/Talk", protocol: () => grpc(), flags: [] },
];

async function serve({ url, protocol, listen = {} }: Omit<Wire, "name" | "flags">): Promise<Echo> {
  const network = new Network({ protocols: [protocol()] as readonly AnyProtocol[] });
  const listener = await network.listen(url, echo, listen);
  return { url: listener.endpoint.href, listener, [Symbol.asyncDispose]: () => network.close({ timeoutMs: 1_000 }) };
}

const serveWs = (): Promise<Echo> => serve({ url: "ws://127.0.0.1:0/echo", protocol: () => ws() });

function connect(url: string, ...flags: string[]): RunningCommand {
  return runPolywire(["connect", url, ...flags]);
}

describe.each(WIRES)("connect over $name", TIMEOUT, (wire) => {
  test("lines in, messages out, and nothing else on the standard output", async () => {
    await using server = await serve(wire);
    await using command = connect(server.url, ...wire.flags);
    command.process.stdin?.write("hello\nwörld ✓\r\n");
    await command.printed(/hello\nwörld ✓\n/);
    command.process.stdin?.end("no end of line");
    await command.printed(/no end of line\n/);
    expect(await command.ended()).toBe(0);
    expect(command.output).toBe("hello\nwörld ✓\nno end of line\n");
    expect(command.errors).toBe(`polywire: connected to ${server.url}\n`);
  });

  test("Ctrl-C ends it cleanly", async () => {
    await using server = await serve(wire);
    await using command = connect(server.url, ...wire.flags);
    await command.said(/connected/);
    command.process.kill("SIGINT");
    expect(await command.ended()).toBe(0);
    expect(command.errors.split("\n")).toHaveLength(2);
  });

  test("a reader that went away ends it", async () => {
    await using server = await serve(wire);
    await using command = connect(server.url, ...wire.flags);
    command.process.stdin?.write("one\n");
    await command.printed(/one\n/);
    command.process.stdout?.destroy();
    const { stdin } = command.process;
    stdin?.on("error", () => {});
    stdin?.write("two\nthree\n");
    expect(await command.ended()).toBe(0);
  });

  test("more than any buffer holds arrives whole and in order", async () => {
    await using server = await serve(wire);
    await using command = connect(server.url, ...wire.flags, "--wait", "5s");
    const sent = Array.from({ length: 10_000 }, (_, index) => `${index} ${"x".repeat(1_000)}\n`).join("");
    // Counted, because a pattern would look through everything again for every chunk.
    let missing = 10_000;
    const all = new Promise<void>((resolve) => {
      command.process.stdout?.on("data", (text: string) => {
        missing -= text.split("\n").length - 1;
        if (missing === 0) resolve();
      });
    });
    command.process.stdin?.on("error", () => {}).end(sent);
    await Promise.race([all, command.ended()]);
    expect(command.output === sent).toBe(true);
    command.process.kill("SIGINT");
    expect(await command.ended()).toBe(0);
  });
});

describe("connect", TIMEOUT, () => {
  test("--json: one object for each event", async () => {
    await using server = await serveWs();
    await using command = connect(server.url, "--json", "--subprotocol", "chat");
    command.process.stdin?.write("hello\n!hex 00ff\n!close 4000 because\n");
    expect(await command.ended()).toBe(0);
    expect(
      command.output
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { event: "open", url: server.url, protocol: "ws", subprotocol: "chat" },
      { event: "message", text: "hello" },
      { event: "message", base64: "AP8=" },
      { event: "close", by: "remote", clean: true, code: 4000, reason: "because" },
    ]);
    expect(command.errors).toContain("closed by the other side: 4000 because\n");
  });

  test("--hex: bytes as digits, both ways; a line that is none is told and skipped", async () => {
    await using server = await serveWs();
    await using command = connect(server.url, "--hex", "--wait", "300ms");
    command.process.stdin?.end("00 ff 0a\nxyz\n7A\n");
    expect(await command.ended()).toBe(1);
    expect(command.output).toBe("00ff0a\n7a\n");
    expect(command.errors).toMatch(/not sent: with --hex a line holds pairs of hexadecimal digits/);
  });

  test("bytes that are no text are shown as digits", async () => {
    await using server = await serveWs();
    await using command = connect(server.url);
    command.process.stdin?.write("!hex c328\n");
    await command.printed(/^c328\n$/);
    command.process.stdin?.end();
    expect(await command.ended()).toBe(0);
  });

  test("a message over the limit is told, and the others still go", async () => {
    await using server = await serveWs();
    await using command = connect(server.url);
    command.process.stdin?.end(`${"x".repeat(1_048_577)}\nfits\n`);
    await command.printed(/^fits\n/);
    expect(await command.ended()).toBe(1);
    expect(command.errors).toMatch(/not sent: a message is over 1048576 bytes\n/);
  });

  test("headers go with the handshake, and a refusal names the status", async () => {
    await using server = await serveWs();
    await using command = connect(server.url, "-H", "X-Key: wrong");
    expect(await command.ended()).toBe(1);
    expect(command.output).toBe("");
    expect(command.errors).toMatch(/^polywire: .*403.*\n$/);
    expect(command.errors).not.toContain("connected");
  });

  test("TLS: refused without the authority, trusted with it, and --insecure says what it means", async () => {
    const certificate = makeCertificate({ name: "test", hosts: ["localhost"] });
    const ca = path.join(directory, "ca.pem");
    fs.writeFileSync(ca, certificate.cert);
    await using server = await serve({
      url: "wss://127.0.0.1:0/echo",
      protocol: () => ws(),
      listen: { tls: { cert: certificate.cert, key: certificate.key } },
    });
    await using untrusting = connect(server.url);
    expect(await untrusting.ended()).toBe(1);
    expect(untrusting.errors).toMatch(/^polywire: .*certificate.*\n$/i);

    await using trusting = connect(server.url, "--ca", ca, "--servername", "localhost", "--wait", "0ms");
    trusting.process.stdin?.end();
    expect(await trusting.ended()).toBe(0);

    await using insecure = connect(server.url, "--insecure", "--wait", "0ms");
    insecure.process.stdin?.end();
    expect(await insecure.ended()).toBe(0);
    expect(insecure.errors).toContain("warning: --insecure: the server's certificate is not checked");
  });

  test("what is cut off is a failure", async () => {
    await using server = await serveWs();
    await using cable = await cableTo(() => server.listener.endpoint.port ?? 0);
    await using command = connect(`ws://127.0.0.1:${cable.port}/echo`);
    await command.said(/connected/);
    cable.cut();
    expect(await command.ended()).toBe(1);
    expect(command.errors).toMatch(/\npolywire: cut off: .+\n$/);
  });

  test("--framing none: bytes pass as they are, both ways", async () => {
    await using server = await serve({ url: "tcp://127.0.0.1:0", protocol: () => tcp() });
    await using command = connect(server.url, "--framing", "none");
    command.process.stdin?.write("no line");
    await command.printed(/^no line$/);
    command.process.stdin?.end("\nnor two");
    await command.printed(/^no line\nnor two$/);
    expect(await command.ended()).toBe(0);
  });

  test("plain datagrams", async () => {
    await using server = await serve({ url: "udp://127.0.0.1:0", protocol: () => udp() });
    await using command = connect(server.url, "--mode", "plain");
    command.process.stdin?.end("hello\n");
    await command.printed(/^hello\n$/);
    expect(await command.ended()).toBe(0);
  });

  test("nobody there: one line, exit 1", async () => {
    const [port = 0] = await freePorts(1);
    await using command = connect(`ws://127.0.0.1:${port}/`);
    expect(await command.ended()).toBe(1);
    expect(command.output).toBe("");
    expect(command.errors.trimEnd().split("\n")).toHaveLength(1);
  });

  test.each([
    [["nowhere://x/"], /^polywire: no protocol for "nowhere:\/\/x\/": this network knows .*\n$/],
    [["not a url"], /^polywire: invalid URL .*\n$/],
    [
      ["ws://x/", "--framing", "line"],
      /^polywire: option '--framing <framing>' argument 'line' is invalid.*lines, u32.*\n$/,
    ],
    [["ws://x/", "--framing", "lines"], /^polywire: .*unknown option "framing".*\n$/],
    [["ws://x/", "--timeout", "5"], /^polywire: option '--timeout <duration>'.*unit.*\n$/],
    [["ws://x/", "--ca", "/nowhere/ca.pem"], /^polywire: --ca \/nowhere\/ca\.pem: cannot be read \(ENOENT\).*\n$/],
    [["ws://x/", "--header", "c4n4ry secret"], /^polywire: --header "c4n4ry…": write it like 'Name: value'\n$/],
    [["ws://x/", "--hex", "--binary"], /^polywire: option '--hex' cannot be used with option '--binary'\n$/],
    [[], /^polywire: missing required argument 'url'\n$/],
  ])("%j is bad usage: one line, exit 2", async (commandArguments, expected) => {
    await using command = runPolywire(["connect", ...commandArguments]);
    expect(await command.ended()).toBe(2);
    expect(command.output).toBe("");
    expect(command.errors).toMatch(expected);
  });

  test("its help has every flag and examples", async () => {
    await using command = runPolywire(["connect", "--help"]);
    expect(await command.ended()).toBe(0);
    for (const flag of [
      "--json",
      "--framing",
      "--mode",
      "--hex",
      "--ca",
      "--cert",
      "--key",
      "--servername",
      "--insecure",
    ])
      expect(command.output).toContain(flag);
    for (const flag of ["--header", "--subprotocol", "--timeout", "--method", "--wait", "Examples:", "Exit codes:"])
      expect(command.output).toContain(flag);
  });
});

describe("connect over http", TIMEOUT, () => {
  async function serveHttp(): Promise<{ readonly url: string } & AsyncDisposable> {
    const network = new Network({ protocols: [http()] });
    const listener = await network.listen("http://127.0.0.1:0/", {
      async exchange(exchange) {
        const body = Buffer.from(await exchange.body.bytes()).toString();
        const { method, path: asked, query } = exchange;
        const told = [method, asked, query, exchange.headers.get("x-key") ?? "", body].join(" ");
        exchange.respond({ status: asked === "/nowhere" ? 404 : 200, headers: new Map([["x-made-by", "test"]]) }, told);
      },
    });
    return { url: listener.endpoint.href, [Symbol.asyncDispose]: () => network.close({ timeoutMs: 1_000 }) };
  }

  test("a request whose response's body is the output", async () => {
    await using server = await serveHttp();
    await using command = connect(`${server.url}items?a=1`, "-H", "X-Key: right");
    expect(await command.ended()).toBe(0);
    expect(command.output).toBe("GET /items a=1 right ");
    expect(command.errors).toMatch(/^polywire: http:.* answered 200\n$/);
  });

  test("the input is the body of a method that has one", async () => {
    await using server = await serveHttp();
    await using command = connect(`${server.url}items`, "--method", "post");
    command.process.stdin?.end("two\nlines\n");
    expect(await command.ended()).toBe(0);
    expect(command.output).toBe("POST /items   two\nlines\n");
  });

  test("a status from 400 is a failure; --json tells head and body", async () => {
    await using server = await serveHttp();
    await using command = connect(`${server.url}nowhere`, "--json");
    expect(await command.ended()).toBe(1);
    const [head, body] = command.output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(head).toMatchObject({ event: "response", status: 404, headers: { "x-made-by": "test" } });
    expect(body).toEqual({ event: "body", base64: Buffer.from("GET /nowhere   ").toString("base64") });
  });
});
