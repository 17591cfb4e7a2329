import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { makeCertificate } from "@polywire/conformance/testing";
import { afterAll, expect, test } from "vitest";
import { freePorts, type RunningCommand, runPolywire } from "./command.ts";

/** Public sockets of a process that may open 300 files: the rest is for the internal address and for files. */
const LIMIT = 172;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-open-files-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const { cert, key } = makeCertificate({ name: "127.0.0.1", hosts: ["127.0.0.1"] });

/** An address of the server, and the first words that it answers. */
interface Wire {
  readonly scheme: string;
  readonly isSecure: boolean;
  readonly hello: string;
  readonly alpn?: string;
}

const WEBSOCKET = `GET /connection/websocket HTTP/1.1\r
Host: 127.0.0.1\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
\r
`;
const CONNECT = '{"id":1,"connect":{}}\n';
/** The preface of a client and its settings: RFC 9113, section 3.4. */
const HTTP2 = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\0\0\0\x04\0\0\0\0\0"}`;

const WIRES: readonly Wire[] = [
  { scheme: "http", isSecure: false, hello: WEBSOCKET },
  { scheme: "https", isSecure: true, hello: WEBSOCKET },
  { scheme: "tcp", isSecure: false, hello: CONNECT },
  { scheme: "tcps", isSecure: true, hello: CONNECT },
  { scheme: "unix", isSecure: false, hello: CONNECT },
  { scheme: "grpc", isSecure: false, hello: HTTP2 },
  { scheme: "grpcs", isSecure: true, hello: HTTP2, alpn: "h2" },
];

interface Place {
  readonly wire: Wire;
  readonly address: net.NetConnectOpts;
}

interface Sockets {
  readonly limit: number;
  readonly open: number;
  readonly refused: number;
}

interface Server extends AsyncDisposable {
  readonly command: RunningCommand;
  readonly places: readonly Place[];
  sockets(): Promise<Sockets>;
  /** The sockets once so many are open. */
  socketsOnceOpen(open: number): Promise<Sockets>;
}

async function serve(): Promise<Server> {
  const [internal = 0, ...ports] = await freePorts(1 + WIRES.length);
  const certFile = path.join(directory, "cert.pem");
  const keyFile = path.join(directory, "key.pem");
  fs.writeFileSync(certFile, cert);
  fs.writeFileSync(keyFile, key, { mode: 0o600 });
  const socket = path.join(directory, "clients.sock");
  const places = WIRES.map((wire, index): Place => {
    const port = ports[index] ?? 0;
    return { wire, address: wire.scheme === "unix" ? { path: socket } : { host: "127.0.0.1", port } };
  });
  const listen = WIRES.map(({ scheme, isSecure }, index) => ({
    url: scheme === "unix" ? `unix:${socket}` : `${scheme}://127.0.0.1:${ports[index]}`,
    ...(isSecure ? { tls: { certFile, keyFile } } : {}),
  }));
  const file = path.join(directory, "polywire.json");
  fs.writeFileSync(file, JSON.stringify({ listen, internal: [`http://127.0.0.1:${internal}`] }));
  const command = runPolywire(["serve", "--config", file], { before: "ulimit -n 300" });
  await command.printed(new RegExp(`listening[^]*:${internal}`));
  const sockets = async (): Promise<Sockets> => {
    const health = await fetch(`http://127.0.0.1:${internal}/health`);
    return ((await health.json()) as { sockets: { public: Sockets } }).sockets.public;
  };
  return {
    command,
    places,
    sockets,
    async socketsOnceOpen(open) {
      for (;;) {
        const now = await sockets();
        if (now.open === open) return now;
      }
    },
    [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
  };
}

function dial({ wire, address }: Place, isSecure = wire.isSecure): net.Socket {
  const alpn = wire.alpn === undefined ? {} : { ALPNProtocols: [wire.alpn] };
  const socket = isSecure ? tls.connect({ ...address, ca: cert, ...alpn }) : net.connect(address);
  return socket.on("error", () => {});
}

/** Dials and is answered. */
async function accepted(place: Place): Promise<net.Socket> {
  const socket = dial(place);
  socket.write(Buffer.from(place.wire.hello, "latin1"));
  await once(socket, "data");
  return socket;
}

/** Fulfilled when so many of them have been closed by the server. */
function closedBy(sockets: readonly net.Socket[], count: number): Promise<void> {
  return new Promise((resolve) => {
    let closed = 0;
    for (const socket of sockets) {
      socket.resume().once("close", () => {
        closed++;
        if (closed === count) resolve();
      });
    }
  });
}

test("F16: more peers than open files: all are counted, on every wire, and who comes later is served again", {
  timeout: 60_000,
}, async () => {
  await using server = await serve();
  expect(await server.sockets()).toEqual({ limit: LIMIT, open: 0, refused: 0 });

  // Each wire's sockets take their place, and give it back.
  const held: net.Socket[] = [];
  for (const place of server.places) {
    held.push(await accepted(place));
    expect({ [place.wire.scheme]: (await server.sockets()).open }).toEqual({ [place.wire.scheme]: held.length });
  }
  for (const socket of held) socket.destroy();
  await server.socketsOnceOpen(0);

  // Twice as many as fit: half of them are refused, and then everybody is, on every wire.
  const [, , tcp] = server.places;
  const crowd = Array.from({ length: 2 * LIMIT }, () => dial(tcp as Place));
  await closedBy(crowd, LIMIT);
  expect(await server.sockets()).toEqual({ limit: LIMIT, open: LIMIT, refused: LIMIT });
  for (const place of server.places) {
    for (const isSecure of new Set([false, place.wire.isSecure])) await closedBy([dial(place, isSecure)], 1);
  }
  const refused = LIMIT + 10;
  expect(await server.sockets()).toEqual({ limit: LIMIT, open: LIMIT, refused });
  expect(server.command.output.match(/sockets refused: too many/g)).toHaveLength(1);

  for (const socket of crowd) socket.destroy();
  const freed = performance.now();
  await server.socketsOnceOpen(0);
  for (const place of server.places) (await accepted(place)).destroy();
  expect(performance.now() - freed).toBeLessThan(1_000);
  expect((await server.socketsOnceOpen(0)).refused).toBe(refused);
  expect(server.command.output).not.toMatch(/ERROR/);
});
