import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { hasProgram } from "@polywire/conformance/testing";
import { Centrifuge, type PublicationContext } from "centrifuge";
import { expect, test, vi } from "vitest";
import { freePorts, runPolywire } from "./command.ts";

vi.setConfig({ testTimeout: 60_000 });

// The programs of the examples' READMEs, against the server that they start.
const EXAMPLES = path.join(import.meta.dirname, "../../../examples");
const PYTHON = "/usr/bin/python3";
const CLIENT_PROTO = path.join(import.meta.dirname, "../../../packages/dialect-centrifuge");

interface Program extends AsyncDisposable {
  /** What was printed, once it matches; fails when the program ends first. */
  printed(pattern: RegExp): Promise<string>;
  write(text: string): void;
}

function run(
  command: string,
  commandArguments: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(command, commandArguments, { env: { ...process.env, ...environment } });
  let output = "";
  let isOver = false;
  const looks = new Set<() => void>();
  const tell = (): void => {
    for (const look of looks) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      tell();
    });
  }
  child.stdin.on("error", () => {});
  child.once("close", () => {
    isOver = true;
    tell();
  });
  return {
    write: (text) => void child.stdin.write(text),
    printed(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(output) && !isOver) return;
          looks.delete(look);
          if (pattern.test(output)) resolve(output);
          else reject(new Error(`${command} ended before it printed ${pattern}: ${output}`));
        };
        looks.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (isOver) return;
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

interface Running extends AsyncDisposable {
  readonly http: number;
  readonly tcp: number;
  readonly udp: number;
  readonly grpc: number;
}

/** The server as an example's README starts it, at ports that are free. */
async function serve(configuration?: string): Promise<Running> {
  const [http = 0, tcp = 0, udp = 0, grpc = 0, internal = 0] = await freePorts(5);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-example-"));
  const file = path.join(folder, "polywire.yaml");
  const everything = [
    "http://127.0.0.1:8000",
    "tcp://127.0.0.1:7000",
    "udp://127.0.0.1:7000",
    "grpc://127.0.0.1:11000",
  ];
  const text = configuration ?? `listen: [${everything.join(", ")}]\n`;
  const moved = text
    .replaceAll("http://127.0.0.1:8000", `http://127.0.0.1:${http}`)
    .replaceAll(/tcp:\/\/127\.0\.0\.1:700\d/g, `tcp://127.0.0.1:${tcp}`)
    .replaceAll("udp://127.0.0.1:7000", `udp://127.0.0.1:${udp}`)
    .replaceAll("grpc://127.0.0.1:11000", `grpc://127.0.0.1:${grpc}`);
  fs.writeFileSync(file, `${moved}internal: [http://127.0.0.1:${internal}]\n`);
  const command = runPolywire(["serve", "--config", file]);
  await command.printed(new RegExp(`listening[^]*:${internal}`));
  return {
    http,
    tcp,
    udp,
    grpc,
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]();
      fs.rmSync(folder, { recursive: true });
    },
  };
}

interface Visitor extends Disposable {
  say(text: string): Promise<unknown>;
  /** The next text of somebody. */
  next(): Promise<string>;
}

/** Somebody in the room, as with the page in a browser. */
async function visit({ http }: Running): Promise<Visitor> {
  const client = new Centrifuge(`ws://127.0.0.1:${http}/connection/websocket`);
  const room = client.newSubscription("chat:garden");
  const texts: string[] = [];
  let wake: () => void = () => {};
  room.on("publication", ({ data }: PublicationContext) => {
    texts.push((data as { text: string }).text);
    wake();
  });
  room.subscribe();
  client.connect();
  await room.ready(20_000);
  return {
    say: (text) => room.publish({ text }),
    async next() {
      while (texts.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return texts.shift() ?? "";
    },
    [Symbol.dispose]: () => client.disconnect(),
  };
}

test.skipIf(!hasProgram("nc", "-h"))("tcp-chat: nc and a page hear each other", async () => {
  await using server = await serve(fs.readFileSync(path.join(EXAMPLES, "tcp-chat/polywire.yaml"), "utf8"));
  using visitor = await visit(server);
  await using nc = run("nc", ["127.0.0.1", String(server.tcp)]);
  const readme = fs.readFileSync(path.join(EXAMPLES, "tcp-chat/README.md"), "utf8");
  const typed = /^```\n(\{[\s\S]*?)^```/m.exec(readme)?.[1] ?? "";

  nc.write(typed);
  expect(await visitor.next()).toBe("hello from a terminal");
  await nc.printed(/"id":3,"publish":\{\}/);
  await visitor.say("hello, terminal");
  await nc.printed(/"pub":.*hello, terminal/);
});

test.skipIf(!hasProgram(PYTHON, "--version"))("udp-sensor: a datagram reaches the page", async () => {
  await using server = await serve(fs.readFileSync(path.join(EXAMPLES, "udp-sensor/polywire.yaml"), "utf8"));
  using visitor = await visit(server);
  await using _sensor = run(PYTHON, [path.join(EXAMPLES, "udp-sensor/sensor.py"), "127.0.0.1", String(server.udp)]);
  expect(await visitor.next()).toMatch(/^\d\d\.\d °C$/);
});

test.skipIf(!hasProgram(PYTHON, "-c", "import grpc, grpc_tools"))(
  "grpc-service: a Python service answers the page",
  async () => {
    await using server = await serve();
    using visitor = await visit(server);
    const generated = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-proto-"));
    const protoc = ["-m", "grpc_tools.protoc", "-I", CLIENT_PROTO, `--python_out=${generated}`, "client.proto"];
    const compiler = spawn(PYTHON, protoc, { stdio: "inherit" });
    expect((await once(compiler, "close"))[0]).toBe(0);

    const script = path.join(EXAMPLES, "grpc-service/service.py");
    await using service = run(PYTHON, [script, `127.0.0.1:${server.grpc}`, "chat:garden"], { PYTHONPATH: generated });
    await service.printed(/in chat:garden/);
    await visitor.say("anybody?");
    expect(await visitor.next()).toBe("anybody?");
    expect(await visitor.next()).toBe("8 characters: anybody?");
    fs.rmSync(generated, { recursive: true });
  },
);

test.skipIf(!hasProgram(PYTHON, "-c", "import websockets"))("python-websocket: a client without an SDK", async () => {
  await using server = await serve();
  using visitor = await visit(server);
  const url = `ws://127.0.0.1:${server.http}/connection/websocket`;
  const script = path.join(EXAMPLES, "python-websocket/client.py");
  await using client = run(PYTHON, [script, url, "chat:garden", "hello from Python"]);
  expect(await visitor.next()).toBe("hello from Python");
  await visitor.say("hello, Python");
  await client.printed(/hello from Python\n[^]*hello, Python/);
});

test.skipIf(!hasProgram("curl", "--version"))("curl-sse: curl prints what is said", async () => {
  await using server = await serve();
  using visitor = await visit(server);
  const readme = fs.readFileSync(path.join(EXAMPLES, "curl-sse/README.md"), "utf8");
  const query = /--data-urlencode '(.*)'/.exec(readme)?.[1] ?? "";
  const url = `http://127.0.0.1:${server.http}/connection/uni_sse`;
  await using curl = run("curl", ["-sN", "-G", url, "--data-urlencode", query]);
  await curl.printed(/"connect":.*chat:garden/);
  await visitor.say("for the record");
  expect(await curl.printed(/"pub"/)).toMatch(/^data: .*"pub":.*for the record/m);
});

test("five-wires: each client hears all of them", async () => {
  const script = path.join(EXAMPLES, "five-wires/five-wires.ts");
  await using program = run(process.execPath, ["--conditions=@polywire/source", script]);
  const all = "hello over ws, hello over tcp, hello over udp, hello over grpc";
  const printed = await program.printed(/event stream heard .*\n/);
  expect(printed.trim().split("\n")).toEqual(
    ["ws", "tcp", "udp", "grpc", "an event stream"].map((wire) => `${wire} heard ${all}`),
  );
});
