import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { issueToken } from "@polywire/auth-jwt";
import { type Certificate, hasProgram, makeCertificate } from "@polywire/conformance/testing";
import { Centrifuge, type Subscription } from "centrifuge";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { freePorts, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-reload-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** A server whose configuration a test may change. */
class Server implements AsyncDisposable {
  readonly command: RunningCommand;
  readonly port: number;
  readonly internalPort: number;
  readonly #file: string;
  #reloads = 0;

  private constructor(command: RunningCommand, file: string, ports: readonly number[]) {
    this.command = command;
    this.#file = file;
    [this.port = 0, this.internalPort = 0] = ports;
  }

  static async start(config: object): Promise<Server> {
    const [port = 0, internalPort = 0] = await freePorts(2);
    const file = path.join(fs.mkdtempSync(path.join(directory, "c-")), "polywire.json");
    const server = new Server(runPolywire(["serve", "--config", file]), file, [port, internalPort]);
    server.write(config);
    await server.command.printed(new RegExp(`listening[^]*:${internalPort}`));
    return server;
  }

  /** The configuration, with this server's addresses unless it has its own. */
  write(config: object): void {
    const [listen, internal] = [[`http://127.0.0.1:${this.port}`], [`http://127.0.0.1:${this.internalPort}`]];
    fs.writeFileSync(this.#file, JSON.stringify({ listen, internal, log: { form: "logfmt" }, ...config }));
  }

  /** Has it read its configuration anew; the line that says what came of it. */
  async reload(): Promise<string> {
    this.#reloads++;
    this.command.process.kill("SIGHUP");
    const line = "component=config message=.*reloaded.*\\n";
    await this.command.printed(new RegExp(`(?:[^]*?${line}){${this.#reloads}}`));
    return (
      this.command.output
        .match(new RegExp(`.*${line}`, "g"))
        ?.at(-1)
        ?.trimEnd() ?? ""
    );
  }

  /** The samples of a metric, as it tells them. */
  async figures(name: string): Promise<string[]> {
    const text = await (await fetch(`http://127.0.0.1:${this.internalPort}/metrics`)).text();
    return text.split("\n").filter((line) => line.startsWith(name));
  }

  client(token?: string): Centrifuge {
    return new Centrifuge(`ws://127.0.0.1:${this.port}/connection/websocket`, token === undefined ? {} : { token });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command[Symbol.asyncDispose]();
  }
}

function subscribed(subscription: Subscription): Promise<void> {
  return new Promise((resolve) => {
    subscription.once("subscribed", () => resolve());
    subscription.subscribe();
  });
}

function install({ cert, key }: Certificate, names: { readonly certFile: string; readonly keyFile: string }): void {
  fs.writeFileSync(names.certFile, cert);
  fs.writeFileSync(names.keyFile, key, { mode: 0o600 });
}

/** What a new handshake is shown. */
async function shownAt(port: number, alpn: readonly string[] = []): Promise<string> {
  const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: [...alpn] });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function fingerprintOf({ cert }: Certificate): string {
  return new X509Certificate(cert).fingerprint256;
}

describe("SIGHUP", TIMEOUT, () => {
  test.skipIf(!hasProgram("script", "--version"))("stops a server whose terminal has gone", async () => {
    const [port = 0, internalPort = 0] = await freePorts(2);
    const file = path.join(directory, "terminal.json");
    const addresses = { listen: [`http://127.0.0.1:${port}`], internal: [`http://127.0.0.1:${internalPort}`] };
    fs.writeFileSync(file, JSON.stringify(addresses));
    const main = path.join(import.meta.dirname, "../src/polywire.ts");
    const serve = `${process.execPath} --conditions=@polywire/source ${main} serve --config ${file}`;
    const log = path.join(directory, "terminal.log");
    const terminal = spawn("script", ["-q", "-e", "-f", "-c", `exec ${serve}`, log], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let output = "";
    for await (const chunk of terminal.stdout) {
      output += String(chunk);
      if (new RegExp(`listening[^]*:${internalPort}`).test(output)) break;
    }
    const client = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
    client.on("open", () => client.send('{"id":1,"connect":{}}'));
    await once(client, "message");
    terminal.kill("SIGKILL");
    expect((await once(client, "close"))[0]).toBe(3001);
  });

  test("F22: new handshakes see the new certificate on every wire, no link is dropped, and a bad file keeps the old", async () => {
    const [secure = 0, line = 0, grpc = 0] = await freePorts(3);
    const [first, second] = ["first", "second"].map((name) => makeCertificate({ name, hosts: ["127.0.0.1"] }));
    if (first === undefined || second === undefined) throw new Error("no certificates");
    const files = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
    install(first, files);
    const listen = [`https://127.0.0.1:${secure}`, `tcps://127.0.0.1:${line}`, `grpcs://127.0.0.1:${grpc}`];
    await using server = await Server.start({ listen: listen.map((url) => ({ url, tls: files })) });
    const places: [number, string[]][] = [
      [secure, []],
      [line, []],
      [grpc, ["h2"]],
    ];
    const shown = (): Promise<string[]> => Promise.all(places.map(([port, alpn]) => shownAt(port, alpn)));
    expect(await shown()).toEqual(Array(3).fill(fingerprintOf(first)));

    const webSocket = new WebSocket(`wss://127.0.0.1:${secure}/connection/websocket`, { ca: first.cert });
    webSocket.on("open", () => webSocket.send('{"id":1,"connect":{}}'));
    await once(webSocket, "message");
    const box = tls.connect({ host: "127.0.0.1", port: line, ca: first.cert });
    box.write('{"id":1,"connect":{}}\n');
    await once(box, "data");
    const channel = tls.connect({ host: "127.0.0.1", port: grpc, ca: first.cert, ALPNProtocols: ["h2"] });
    // The preface of a client, its settings and a ping: RFC 9113.
    channel.write(Buffer.from(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\0\0\0\x04\0\0\0\0\0"}`, "latin1"));
    await once(channel, "data");

    install(second, files);
    const asked = performance.now();
    expect(await server.reload()).toMatch(/level=info .*message=reloaded/);
    expect(await shown()).toEqual(Array(3).fill(fingerprintOf(second)));
    expect(performance.now() - asked).toBeLessThan(1_000);

    fs.writeFileSync(files.keyFile, first.key);
    expect(await server.reload()).toMatch(
      /level=error .*everything stays as it was.* problem=".*listen\[0\]\.tls\.keyFile: is not the key of the certificate/,
    );
    expect(await shown()).toEqual(Array(3).fill(fingerprintOf(second)));

    webSocket.send('{"id":2,"subscribe":{"channel":"a"}}');
    expect(String((await once(webSocket, "message"))[0])).toContain('"id":2');
    box.write('{"id":2,"subscribe":{"channel":"a"}}\n');
    expect(String((await once(box, "data"))[0])).toContain('"id":2');
    channel.write(Buffer.from("\0\0\x08\x06\0\0\0\0\0polywire", "latin1"));
    expect(String((await once(channel, "data"))[0])).toContain("polywire");
    webSocket.terminate();
    box.destroy();
    channel.destroy();
  });

  test("channels, limits, origins and log levels change; sessions stay connected and are told to subscribe anew", async () => {
    await using server = await Server.start({ channels: [{ match: "*" }] });
    const client = server.client();
    const ends: string[] = [];
    client.on("connecting", ({ code }) => void ends.push(`connecting ${code}`));
    client.on("disconnected", ({ code }) => void ends.push(`disconnected ${code}`));
    const room = client.newSubscription("room");
    client.connect();
    await subscribed(room);
    await expect(room.publish(1)).rejects.toMatchObject({ code: 103 });

    server.write({
      channels: [{ match: "*", publish: "subscribers", history: { size: 10, ttl: "60s" }, recovery: true }],
      limits: { clients: 1 },
      client: { allowedOrigins: ["https://app.example"] },
      log: { form: "logfmt", level: "debug" },
    });
    const again = new Promise((resolve) => room.once("subscribed", resolve));
    expect(await server.reload()).toMatch(/message=reloaded file=\S+polywire\.json$/);
    await again;
    await room.publish(2);
    expect((await room.history({ limit: 10 })).publications.map(({ data }) => data)).toEqual([2]);
    expect(ends).toEqual(["connecting 0"]);

    const page = new WebSocket(`ws://127.0.0.1:${server.port}/connection/websocket`, { origin: "https://app.example" });
    page.on("open", () => page.send('{"id":1,"connect":{}}'));
    expect((await once(page, "close"))[0]).toBe(3013);
    expect(server.command.output).toContain("level=debug");
    client.disconnect();
  });

  test.each([
    ["a key that there is not", { chanels: [] }, /polywire\.json: chanels: unknown key; did you mean channels\?/],
    ["a value of the wrong kind", { limits: { clients: "many" } }, /polywire\.json: limits\.clients: must be/],
    ["a contradiction", { channels: [{ match: "*", recovery: true }] }, /channels\[0\]\.recovery: needs history/],
  ])("a configuration with %s changes nothing, and one line names the key", async (_what, change, problem) => {
    await using server = await Server.start({});
    server.write(change);
    const line = await server.reload();
    expect(line).toMatch(/level=error component=config message="not reloaded: everything stays as it was"/);
    expect(line).toMatch(problem);
    expect(await server.figures("polywire_config_")).toEqual([
      'polywire_config_reloads_total{polywire_reload_result="applied"} 0',
      'polywire_config_reloads_total{polywire_reload_result="restart needed"} 0',
      'polywire_config_reloads_total{polywire_reload_result="refused"} 1',
      "polywire_config_current 0",
    ]);
    server.write({});
    await server.reload();
    expect(await server.figures("polywire_config_current")).toEqual(["polywire_config_current 1"]);
    expect(server.command.output.match(/not reloaded/g)).toHaveLength(1);
  });

  test("the keys of tokens change; who was let in by the old one stays, and nobody else comes by it", async () => {
    const secrets = ["the first secret, of 32 bytes at least", "the second secret, of 32 bytes at least"] as const;
    const file = path.join(directory, "token.secret");
    fs.writeFileSync(file, secrets[0], { mode: 0o600 });
    const config = { client: { token: { hmacSecretFile: file } } };
    await using server = await Server.start(config);
    const token = (secret: string): Promise<string> =>
      issueToken({ user: "ada", ttlMs: 60_000 }, { hmacSecret: secret });
    const [before, after] = await Promise.all(secrets.map(token));
    const early = server.client(before);
    early.connect();
    await early.ready();
    fs.writeFileSync(file, secrets[1], { mode: 0o600 });
    server.write(config);
    expect(await server.reload()).toContain("message=reloaded");
    const late = server.client(before);
    const refused = new Promise((resolve) => void late.on("disconnected", ({ code }) => resolve(code)));
    late.connect();
    expect(await refused).toBe(3500);
    const next = server.client(after);
    next.connect();
    await next.ready();
    expect(early.state).toBe("connected");
    for (const client of [early, next]) client.disconnect();
    // What a token has to be is for the server's whole life, and so is a backend.
    server.write({
      client: { token: { hmacSecretFile: file, audience: ["chat"] } },
      hooks: { rpc: { url: "http://127.0.0.1:9/" } },
    });
    const line = await server.reload();
    for (const key of ["client.token", "hooks"]) expect(line).toContain(key);
  });

  test("what needs a restart is named and stays; the rest changes", async () => {
    await using server = await Server.start({});
    const [other = 0] = await freePorts(1);
    server.write({
      listen: [`http://127.0.0.1:${server.port}`, `tcp://127.0.0.1:${other}`],
      limits: { clients: 20_000, messageBytes: "2MiB", channelsPerClient: 1 },
      client: { pingInterval: "60s" },
      log: { form: "json" },
    });
    const keys = ["listen", "client.pingInterval", "limits.messageBytes", "limits.clients", "log.form"];
    const line = await server.reload();
    expect(line).toMatch(/level=warn component=config message="reloaded, but for what needs a restart"/);
    for (const key of keys) expect(line).toContain(key);
    expect(await server.figures("polywire_config_reloads")).toContain(
      'polywire_config_reloads_total{polywire_reload_result="restart needed"} 1',
    );
    const client = server.client();
    client.connect();
    await subscribed(client.newSubscription("a"));
    const second = client.newSubscription("b");
    const refused = new Promise((resolve) => second.once("unsubscribed", resolve));
    second.subscribe();
    expect(await refused).toMatchObject({ code: 106 });
    client.disconnect();
    const probe = net.connect(other, "127.0.0.1");
    expect(await once(probe, "error")).toMatchObject([{ code: "ECONNREFUSED" }]);
  });
});
