import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { Network } from "@polywire/core";
import { expect, test } from "vitest";
import { type HttpDialOptions, type HttpExchanger, http } from "../src/index.ts";

interface Upstream extends AsyncDisposable {
  readonly exchanger: HttpExchanger;
  /** Requests that came, as far as their first line. */
  readonly lines: string[];
}

/** A server that answers each request with what it is told, whatever that is. */
async function upstream(
  answer: (socket: Socket, count: number) => void,
  options: HttpDialOptions = {},
): Promise<Upstream> {
  const lines: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      lines.push(bytes.toString("latin1").split("\r\n", 1)[0] ?? "");
      answer(socket, lines.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const network = new Network({ protocols: [http()] });
  const exchanger = await network.open(`http://127.0.0.1:${port}/` as "http://127.0.0.1/", options);
  return {
    exchanger,
    lines,
    async [Symbol.asyncDispose]() {
      await network.close({ timeoutMs: 1_000 });
      server.close();
    },
  };
}

/** The library takes a turn or two to let go of a connection that was cut off. */
async function slotFreed(exchanger: HttpExchanger): Promise<void> {
  while (exchanger.stats().running > 0) await new Promise((resolve) => void setImmediate(resolve));
}

const OK = "HTTP/1.1 200 OK\r\n";

test("H43: two kinds of length in a response are a violation, and the slot is freed", async () => {
  await using server = await upstream((socket) => {
    socket.write(`${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  });
  await expect(server.exchanger.request({ method: "GET" })).rejects.toMatchObject({ code: "protocol-violation" });
  expect(server.exchanger.stats().running).toBe(0);
});

test.each([
  ["the head's time", { headersTimeoutMs: 200 }, {}],
  ["the request's deadline", {}, { timeoutMs: 200 }],
])("H46: a response that never gets past 1xx is over after %s, and the slot is freed", async (_which, dial, asking) => {
  await using server = await upstream(
    (socket) => {
      const go = (): void => {
        if (socket.destroyed) return;
        socket.write("HTTP/1.1 102 Processing\r\n\r\n");
        setTimeout(go, 5);
      };
      go();
    },
    { ...dial, retries: 0 },
  );
  const asked = server.exchanger.request({ method: "GET" }, { timeoutMs: 5_000, ...asking });
  await expect(asked).rejects.toMatchObject({ code: "timed-out" });
  await slotFreed(server.exchanger);
});

test("H48: a body that stalls is timed out", async () => {
  await using server = await upstream((socket) => socket.write(`${OK}Content-Length: 10\r\n\r\nabc`));
  const response = await server.exchanger.request({ method: "GET" }, { timeoutMs: 300 });
  await expect(response.body.bytes()).rejects.toMatchObject({ code: "timed-out" });
  await slotFreed(server.exchanger);
});

test.each([
  ["a line break in a value", new Map([["x", "a\r\nb: c"]])],
  ["an upgrade", new Map([["upgrade", "h2c"]])],
  ["a value with a toString of its own", new Map([["x", { toString: () => "a" } as unknown as string]])],
])("H49: %s is refused at the call", async (_name, headers) => {
  await using server = await upstream((socket) => socket.write(`${OK}Content-Length: 0\r\n\r\n`));
  await expect(server.exchanger.request({ method: "GET", headers })).rejects.toMatchObject({
    code: "invalid-argument",
  });
  expect(server.lines).toEqual([]);
});

test("H51: a compressed body is passed on as it is, and one over maxResponseBytes cut off", async () => {
  const bomb = gzipSync(Buffer.alloc(10_000_000));
  await using server = await upstream(
    (socket) => {
      socket.write(`${OK}Content-Encoding: gzip\r\nContent-Length: ${bomb.byteLength}\r\n\r\n`);
      socket.write(bomb);
    },
    { maxResponseBytes: 5_000 },
  );
  const response = await server.exchanger.request({ method: "GET" });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  await expect(response.body.bytes()).rejects.toMatchObject({ code: "too-large" });
});

test("H52: a reset in the body is told, one before the response is met with another try, for what may be repeated", async () => {
  await using inBody = await upstream((socket) => {
    socket.write(`${OK}Content-Length: 10\r\n\r\nabc`, () => socket.resetAndDestroy());
  });
  const response = await inBody.exchanger.request({ method: "GET" });
  await expect(response.body.bytes()).rejects.toMatchObject({ code: "connection-reset" });
  expect(inBody.lines).toHaveLength(1);

  await using before = await upstream((socket, count) => {
    if (count < 3) socket.resetAndDestroy();
    else socket.write(`${OK}Content-Length: 2\r\n\r\nok`);
  });
  const answered = await before.exchanger.request({ method: "GET" });
  expect(Buffer.from(await answered.body.bytes()).toString()).toBe("ok");
  expect(before.lines).toEqual(["GET / HTTP/1.1", "GET / HTTP/1.1", "GET / HTTP/1.1"]);

  await using post = await upstream((socket) => socket.resetAndDestroy());
  const posted = post.exchanger.request({ method: "POST", body: "once" });
  await expect(posted).rejects.toMatchObject({ code: "connection-reset" });
  expect(post.lines).toEqual(["POST / HTTP/1.1"]);
});

test("a response that is none is a violation that says so", async () => {
  await using server = await upstream((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"));
  await expect(server.exchanger.request({ method: "GET" })).rejects.toMatchObject({ code: "protocol-violation" });
});

test("a redirect is returned as it is, and not followed", async () => {
  await using server = await upstream((socket) =>
    socket.write("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
  );
  const response = await server.exchanger.request({ method: "GET" });
  expect([response.status, response.headers.get("location")]).toEqual([302, "http://127.0.0.1:1/"]);
});

test("a body that is read slowly stops the sender", async () => {
  const total = 30_000_000;
  let written = 0;
  await using server = await upstream(
    (socket) => {
      socket.write(`${OK}Content-Length: ${total}\r\n\r\n`);
      const chunk = Buffer.alloc(100_000);
      const write = (): void => {
        while (written < total) {
          written += chunk.byteLength;
          if (!socket.write(chunk)) return void socket.once("drain", write);
        }
      };
      write();
    },
    { maxResponseBytes: total },
  );
  const response = await server.exchanger.request({ method: "GET" });
  let before = -1;
  while (before !== written) {
    before = written;
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  }
  expect(written).toBeLessThan(total);
  let read = 0;
  for await (const part of response.body) read += part.byteLength;
  expect(read).toBe(total);
});
