import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasProgram, makeCertificate } from "@polywire/conformance/testing";
import { Network } from "@polywire/core";
import { expect, test } from "vitest";
import { tcp } from "../src/index.ts";
import { Program } from "./program.ts";
import { Serving } from "./serving.ts";

const { cert, key } = makeCertificate({ name: "server", hosts: ["127.0.0.1"] });
const TIMEOUT = { timeout: 30_000 };

test.skipIf(!hasProgram("nc", "-h"))("nc talks in lines", TIMEOUT, async () => {
  await using serving = await Serving.start({ tcp: { framing: "lines" } });
  await using nc = Program.start("nc", ["-N", "127.0.0.1", `${serving.port}`]);
  const served = await serving.next();
  nc.write("hello\nwörld\r\n");
  await served.until(() => served.messages.length === 2);
  expect(served.messages).toEqual(["hello", "wörld"]);
  served.link.send("and back");
  await nc.prints(/^and back\n$/);
  nc.end();
  expect(await served.closed).toMatchObject({ by: "remote", clean: true });
});

test.skipIf(!hasProgram("openssl", "version"))(
  "openssl s_client verifies, agrees on ALPN and talks",
  TIMEOUT,
  async () => {
    await using serving = await Serving.start({
      url: "tcps://127.0.0.1:0",
      tcp: { framing: "lines" },
      listen: { tls: { cert, key }, subprotocols: ["chat"] },
    });
    const args = ["s_client", "-connect", `127.0.0.1:${serving.port}`, "-alpn", "chat", "-quiet", "-no_ign_eof"];
    await using client = Program.start("openssl", args);
    const served = await serving.next();
    expect(served.link.peer.subprotocol).toBe("chat");
    client.write("over TLS\n");
    await served.until(() => served.messages.length === 1);
    expect(served.messages).toEqual(["over TLS"]);
    served.link.send("heard");
    await client.prints(/heard\n/);
  },
);

test.skipIf(!hasProgram("openssl", "version"))(
  "openssl s_server is dialled and trusted by its certificate",
  TIMEOUT,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "polywire-tcp-"));
    writeFileSync(join(folder, "cert.pem"), cert);
    writeFileSync(join(folder, "key.pem"), key);
    const files = ["-cert", join(folder, "cert.pem"), "-key", join(folder, "key.pem")];
    await using server = Program.start("openssl", ["s_server", "-accept", "127.0.0.1:0", ...files, "-naccept", "1"]);
    const [, port] = await server.prints(/ACCEPT 127\.0\.0\.1:(\d+)/);
    await using net = new Network({ protocols: [tcp({ framing: "lines" })] });
    const connection = await net.connect(`tcps://127.0.0.1:${Number(port)}`, { tls: { ca: cert } });
    connection.send("hello, openssl");
    await server.prints(/hello, openssl/);
    const heard = new Promise((resolve) => connection.on("data", resolve));
    server.write("hello, Polywire\n");
    expect(await heard).toBe("hello, Polywire");
    await connection.close({ discard: true });
    rmSync(folder, { recursive: true });
  },
);

const PYTHON = {
  u32: `
def frame(b): return struct.pack(">I", len(b)) + b
def read(f):
    (n,) = struct.unpack(">I", f.read(4)); return f.read(n)`,
  varint: `
def frame(b):
    n, h = len(b), b""
    while n > 127: h += bytes([n & 127 | 128]); n >>= 7
    return h + bytes([n]) + b
def read(f):
    n = s = 0
    while True:
        c = f.read(1)[0]; n |= (c & 127) << s; s += 7
        if c < 128: return f.read(n)`,
};

test.skipIf(!hasProgram("python3", "--version")).for(["u32", "varint"] as const)(
  "Python's sockets and a framing of their own: %s",
  TIMEOUT,
  async (framing) => {
    await using serving = await Serving.start({ tcp: { framing } });
    const script = `
import hashlib, os, socket, struct, sys
${PYTHON[framing]}
s = socket.create_connection(("127.0.0.1", ${serving.port})); f = s.makefile("rb")
sent = [b"", b"x", os.urandom(127), os.urandom(128), os.urandom(16384), os.urandom(1000000)]
s.sendall(b"".join(map(frame, sent)))
print("same" if [read(f) for _ in sent] == sent else "different", flush=True)
`;
    await using python = Program.start("python3", ["-c", script]);
    const served = await serving.next();
    served.onMessage = (payload) => void served.link.send(payload);
    await python.prints(/^same\n$/);
    expect(await served.closed).toMatchObject({ by: expect.stringMatching(/remote|network/) });
    expect(served.messages).toHaveLength(6);
  },
);
