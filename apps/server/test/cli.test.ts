import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Centrifuge } from "centrifuge";
import { afterAll, describe, expect, test } from "vitest";
import { freePorts, isOpen, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-cli-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function configFile(text: string): string {
  const file = path.join(fs.mkdtempSync(path.join(directory, "c-")), "polywire.yaml");
  fs.writeFileSync(file, text);
  return file;
}

interface Result {
  readonly code: number | NodeJS.Signals;
  readonly output: string;
  readonly errors: string;
}

async function result(...commandArguments: string[]): Promise<Result> {
  await using command = runPolywire(commandArguments);
  const code = await command.ended();
  return { code, output: command.output, errors: command.errors };
}

/** `serve` at two free ports, up and listening. */
async function serve(extra = "", options: Parameters<typeof runPolywire>[1] = {}): Promise<ServingCommand> {
  const [port = 0, internalPort = 0] = await freePorts(2);
  const file = configFile(`listen: [http://127.0.0.1:${port}]\ninternal: [http://127.0.0.1:${internalPort}]\n${extra}`);
  const command = runPolywire(["serve", "--config", file], options);
  await command.printed(new RegExp(`listening[^]*:${internalPort}`));
  return { command, port, internalPort, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() };
}

interface ServingCommand extends AsyncDisposable {
  readonly command: RunningCommand;
  readonly port: number;
  readonly internalPort: number;
}

describe("usage", TIMEOUT, () => {
  test("--version prints the version of the package", async () => {
    const manifest = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8"));
    expect(await result("--version")).toEqual({ code: 0, output: `${manifest.version}\n`, errors: "" });
  });

  test("--help names the commands", async () => {
    const { code, output } = await result("--help");
    expect(code).toBe(0);
    expect(output).toMatch(/serve .*\n.*check-config/s);
    expect((await result("serve", "--help")).output).toContain("POLYWIRE_LIMITS_MESSAGE_BYTES");
  });

  test.each([
    [["serv"], /^polywire: unknown command 'serv' \(Did you mean serve\?\)\n$/],
    [["serve", "--confg", "x"], /^polywire: unknown option '--confg' \(Did you mean --config\?\)\n$/],
    [["serve", "x"], /^polywire: too many arguments for 'serve'.*\n$/],
    [["serve", "--config"], /^polywire: option '-c, --config <file>' argument missing\n$/],
  ])("%j is bad usage: one line, exit 2", async (commandArguments, expected) => {
    const { code, output, errors } = await result(...commandArguments);
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toMatch(expected);
  });

  test("no command at all prints help, and exits with 2", async () => {
    const { code, errors } = await result();
    expect(code).toBe(2);
    expect(errors).toContain("Usage: polywire");
  });
});

describe("check-config", TIMEOUT, () => {
  test("a good file", async () => {
    const file = configFile("limits: { clients: 5 }");
    expect(await result("check-config", file)).toEqual({
      code: 0,
      output: `${file}: ok (5 addresses, 2 channel rules)\n`,
      errors: "",
    });
  });

  test("the defaults, and all of them as JSON", async () => {
    expect((await result("check-config")).output).toBe("defaults: ok (5 addresses, 2 channel rules)\n");
    const { output } = await result("check-config", "--json");
    expect(JSON.parse(output)).toMatchObject({ limits: { clients: 10_000 }, log: { form: "tree" } });
  });

  test("a bad file is one line that names the key, exit 2", async () => {
    const file = configFile("limit: { clients: 5 }");
    expect(await result("check-config", file)).toEqual({
      code: 2,
      output: "",
      errors: `polywire: ${file}: limit: unknown key; did you mean limits?\n`,
    });
  });

  test("what is allowed but doubtful is a warning", async () => {
    const { code, errors } = await result("check-config", configFile("client: { allowedOrigins: ['*'] }"));
    expect(code).toBe(0);
    expect(errors).toMatch(/^polywire: warning: client\.allowedOrigins: .*\n$/);
  });

  test("C32: a wrong variable is named", async () => {
    await using command = runPolywire(["check-config"], { environment: { POLYWIRE_LIMITS_CLIENTS: "many" } });
    expect(await command.ended()).toBe(2);
    expect(command.errors).toBe(
      "polywire: POLYWIRE_LIMITS_CLIENTS (limits.clients): must be a whole number, not a text\n",
    );
  });
});

describe("serve", TIMEOUT, () => {
  test("a bad configuration opens nothing", async () => {
    const [port = 0] = await freePorts(1);
    const { code, output, errors } = await result(
      "serve",
      "--config",
      configFile(`listen: [http://127.0.0.1:${port}]\nclient: { tokens: { hmacSecret: c4n4ry } }`),
    );
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toMatch(/^polywire: .*polywire\.yaml: client\.tokens: is not supported in this version\n$/);
  });

  test("F24: a port in use ends it with 2, the port named, and no other address stays open", async () => {
    const [free = 0, taken = 0] = await freePorts(2);
    const holder = http.createServer().listen(taken, "127.0.0.1");
    await once(holder, "listening");
    const file = configFile(`listen: [http://127.0.0.1:${free}]\ninternal: [http://127.0.0.1:${taken}]`);
    await using command = runPolywire(["serve", "-c", file]);
    expect(await command.ended()).toBe(2);
    expect(command.errors).toBe(
      `polywire: cannot listen at http://127.0.0.1:${taken}: port ${taken} is in use by another program: stop it, or choose another port\n`,
    );
    expect(command.output).not.toContain("listening");
    expect(await isOpen(free)).toBe(false);
    holder.close();
  });

  test("it tells each address, what it serves and that it is not encrypted; health answers on both", async () => {
    await using server = await serve();
    const [block] = await server.command.printed(
      new RegExp(
        `^\\[.*\\] INFO \\| server \\| listening\\n├── address: http://127.0.0.1:${server.port}\\n(?:[├│].*\\n)*└──.*$`,
        "m",
      ),
    );
    expect(block).toMatch(/tls: off/);
    expect(block).toMatch(/websocket: \/connection\/websocket/);
    expect(await (await fetch(`http://127.0.0.1:${server.port}/health`)).json()).toEqual({
      status: "ready",
      live: true,
      ready: true,
    });
    const internal = await fetch(`http://127.0.0.1:${server.internalPort}/health`);
    expect(await internal.json()).toMatchObject({ ready: true, version: expect.any(String), hub: expect.any(Object) });
    expect((await fetch(`http://127.0.0.1:${server.internalPort}/`)).status).toBe(404);
  });

  test("with a key it serves the API, and shows the key to nobody", async () => {
    const environment = { POLYWIRE_API_KEY: "c4n4ry-c4n4ry-c4n4ry" };
    await using server = await serve("log: { level: trace }\n", { environment });
    await server.command.printed(new RegExp(`address: http://127.0.0.1:${server.internalPort}\n(?:[├│].*\n)*└`));
    const call = (key: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${server.internalPort}/api/publish`, {
        method: "POST",
        headers: { "x-api-key": key, "content-type": "application/json" },
        body: '{"channel":"chat:room","data":1}',
      });
    expect((await call("another-key-c4n4ry")).status).toBe(401);
    expect(await (await call(environment.POLYWIRE_API_KEY)).json()).toMatchObject({ result: { offset: 1 } });
    await server.command.printed(/refused: no valid key/);
    await using checked = runPolywire(["check-config", "--json"], { environment });
    expect(await checked.ended()).toBe(0);
    expect(JSON.parse(checked.output)).toMatchObject({
      api: { keys: 1 },
      internal: [{ port: 9000 }, { port: 10_000 }],
    });
    expect(server.command.output + server.command.errors + checked.output).not.toContain("c4n4ry");
  });

  test("a client connects, publishes and reads history; SIGTERM ends its session with 3001 and the server with 0", async () => {
    await using server = await serve();
    const client = new Centrifuge(`ws://127.0.0.1:${server.port}/connection/websocket`, { data: { name: "Ada" } });
    const room = client.newSubscription("chat:room");
    const subscribed = new Promise((resolve) => room.once("subscribed", resolve));
    room.subscribe();
    client.connect();
    await subscribed;
    await room.publish({ text: "hello" });
    const { publications } = await room.history({ limit: 10 });
    expect(publications.map(({ data }) => data)).toEqual([{ text: "hello" }]);
    expect(publications[0]?.info?.connInfo).toEqual({ name: "Ada" });

    const disconnected = new Promise<{ code: number }>((resolve) => client.once("connecting", resolve));
    const stopped = performance.now();
    server.command.process.kill("SIGTERM");
    expect((await disconnected).code).toBe(3001);
    client.disconnect();
    expect(await server.command.ended()).toBe(0);
    expect(performance.now() - stopped).toBeLessThan(10_000);
    expect(await isOpen(server.port)).toBe(false);
    expect(server.command.errors).toBe("");
  });

  test("F05: the first SIGTERM stops politely, the second at once", async () => {
    await using server = await serve();
    // A peer that never answers the close keeps the polite stop waiting.
    const peer = net.connect(server.port, "127.0.0.1");
    peer.on("error", () => {});
    peer.write(
      "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    await once(peer, "data");
    server.command.process.kill("SIGTERM");
    await server.command.printed(/stopping/);
    expect(server.command.process.exitCode).toBeNull();
    const second = performance.now();
    server.command.process.kill("SIGTERM");
    expect(await server.command.ended()).toBe(143);
    expect(performance.now() - second).toBeLessThan(1_000);
    peer.destroy();
  });

  test("F17: nobody reading the log leaves the service unaffected", async () => {
    await using server = await serve("log: { level: debug, form: json }");
    server.command.process.stdout?.destroy();
    for (let request = 0; request < 20; request += 1) {
      expect((await fetch(`http://127.0.0.1:${server.port}/health`)).status).toBe(200);
    }
    server.command.process.kill("SIGINT");
    expect(await server.command.ended()).toBe(0);
  });

  test("fewer open files than clients is said at the start", async () => {
    await using server = await serve("", { before: "ulimit -n 300" });
    const [block] = await server.command.printed(/WARN \| server \| fewer open files than clients.*\n(?:[├└].*\n)+/);
    expect(block).toContain("openFiles: 300");
    expect(block).toContain("needed: 10384");
  });

  test.each(["json", "logfmt"])("the log can be read by programs: %s", async (form) => {
    await using server = await serve(`log: { form: ${form} }`);
    server.command.process.kill("SIGTERM");
    await server.command.ended();
    const lines = server.command.output.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) {
      if (form === "json")
        expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), time: expect.any(String) });
      else expect(line).toMatch(/^time=\S+Z level=\w+ component=\w+ message=/);
    }
  });
});
