import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, type InputType, zstdCompressSync } from "node:zlib";
import { makeCertificate } from "@polywire/conformance/testing";
import { Network, PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decoding } from "../src/decoding.ts";
import { type HttpDialOptions, type HttpExchanger, http } from "../src/index.ts";
import { type BodyFlow, ResponseBody } from "../src/response-body.ts";

interface Upstream extends AsyncDisposable {
  readonly exchanger: HttpExchanger;
  /** What the requests said that they accept. */
  readonly accepted: (string | undefined)[];
}

/** A server of Node's that answers as it is told, and an exchanger that decompresses. */
async function upstream(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  options: HttpDialOptions = {},
): Promise<Upstream> {
  const accepted: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    accepted.push(request.headers["accept-encoding"]);
    answer(response, request);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const network = new Network({ protocols: [http()] });
  const exchanger = await network.open(`http://127.0.0.1:${port}/` as "http://127.0.0.1/", {
    decompress: true,
    ...options,
  });
  return {
    exchanger,
    accepted,
    async [Symbol.asyncDispose]() {
      await network.close({ timeoutMs: 1_000 });
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

const encoded = (coding: string, body: Uint8Array, status: number = 200) => {
  return (response: ServerResponse): void => {
    response.writeHead(status, { "content-encoding": coding, "content-length": body.byteLength });
    response.end(body);
  };
};

const CODINGS: readonly (readonly [coding: string, compress: (bytes: InputType) => Buffer])[] = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
  ["zstd", zstdCompressSync],
  ["GZip", gzipSync],
];

describe("compressed responses", () => {
  test.each(CODINGS)("%s is decoded, and the headers say nothing of it", async (coding, compress) => {
    const text = "a sentence that comes again and again. ".repeat(5_000);
    await using server = await upstream(encoded(coding, compress(text)));
    const response = await server.exchanger.request({ method: "GET" });
    expect(Buffer.from(await response.body.bytes()).toString()).toBe(text);
    expect([response.headers.has("content-encoding"), response.headers.has("content-length")]).toEqual([false, false]);
    expect(server.accepted).toEqual(["zstd, br, gzip, deflate"]);
  });

  test("an empty body is encoded as nothing", async () => {
    await using server = await upstream(encoded("gzip", new Uint8Array(0)));
    const response = await server.exchanger.request({ method: "GET" });
    expect((await response.body.bytes()).byteLength).toBe(0);
  });

  test.each([
    ["unknown", "compress", "GET", 200],
    ["two codings, one over the other", "gzip, br", "GET", 200],
    ["none", "identity", "GET", 200],
    ["a part of something encoded", "gzip", "GET", 206],
    ["the head of something encoded", "gzip", "HEAD", 200],
  ])("%s is passed on as it is", async (_what, coding, method, status) => {
    const body = Buffer.from([1, 2, 3]);
    await using server = await upstream(encoded(coding, body, status));
    const response = await server.exchanger.request({ method });
    expect(response.headers.get("content-encoding")).toBe(coding);
    expect(Buffer.from(await response.body.bytes())).toEqual(method === "HEAD" ? Buffer.alloc(0) : body);
  });

  test("what a request says that it accepts is what is asked for", async () => {
    await using server = await upstream(encoded("gzip", gzipSync("x")));
    const headers = new Map([["Accept-Encoding", "gzip"]]);
    const response = await server.exchanger.request({ method: "GET", headers });
    expect(Buffer.from(await response.body.bytes()).toString()).toBe("x");
    expect(server.accepted).toEqual(["gzip"]);
  });

  test("nothing is asked for, and nothing decoded, unless the program says so", async () => {
    const body = gzipSync("x");
    await using server = await upstream(encoded("gzip", body), { decompress: false });
    const response = await server.exchanger.request({ method: "GET" });
    expect(Buffer.from(await response.body.bytes())).toEqual(body);
    expect(server.accepted).toEqual([undefined]);
  });
});

test("over HTTP/2 as well, from a listener of our own", async () => {
  const { cert, key } = makeCertificate({ name: "server", hosts: ["127.0.0.1"] });
  await using network = new Network({ protocols: [http()] });
  const accepted: (string | undefined)[] = [];
  const headers = new Map([["content-encoding", "br"]]);
  const listener = await network.listen(
    "https://127.0.0.1:0/",
    {
      exchange(exchange) {
        accepted.push(exchange.headers.get("accept-encoding"));
        exchange.respond({ status: 200, headers }, brotliCompressSync("in fewer bytes"));
      },
    },
    { tls: { cert, key } },
  );
  const options = { decompress: true, http2: true, tls: { ca: cert } };
  const exchanger = await network.open(`https://127.0.0.1:${listener.endpoint.port}`, options);
  const response = await exchanger.request({ method: "GET", path: "/" });
  expect(Buffer.from(await response.body.bytes()).toString()).toBe("in fewer bytes");
  expect(response.headers.has("content-encoding")).toBe(false);
  expect(accepted).toEqual(["zstd, br, gzip, deflate"]);
});

describe("hostile bodies", () => {
  const failing = async (exchanger: HttpExchanger): Promise<PolywireError> => {
    const { body } = await exchanger.request({ method: "GET" });
    return body.bytes(100_000_000).then(
      () => expect.unreachable("it did not fail"),
      (thrown: PolywireError) => thrown,
    );
  };

  test("H51: a bomb stops at maxResponseBytes, counted after it went off", async () => {
    await using server = await upstream(encoded("gzip", gzipSync(Buffer.alloc(50_000_000))), {
      maxResponseBytes: 1_000_000,
    });
    const error = await failing(server.exchanger);
    expect(error).toMatchObject({
      code: "too-large",
      message: expect.stringContaining("maxResponseBytes (1000000) once"),
    });
    expect(server.exchanger.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  test.each([
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
  ])("H51: what grows further than deflate ever could is a bomb below any limit (%s)", async (coding, compress) => {
    await using server = await upstream(encoded(coding, compress(Buffer.alloc(9_000_000))));
    expect(await failing(server.exchanger)).toMatchObject({ code: "too-large", message: /grows more than 1032-fold/ });
  });

  test("the best that deflate can do is no bomb", async () => {
    await using server = await upstream(encoded("gzip", gzipSync(Buffer.alloc(9_000_000), { level: 9 })));
    const { body } = await server.exchanger.request({ method: "GET" });
    expect((await body.bytes(10_000_000)).byteLength).toBe(9_000_000);
  });

  test.each([
    ["what is no gzip", Buffer.from("no gzip at all")],
    ["half of it", gzipSync("x".repeat(10_000)).subarray(0, 30)],
  ])("%s is a violation", async (_what, body) => {
    await using server = await upstream(encoded("gzip", body));
    expect(await failing(server.exchanger)).toMatchObject({
      code: "protocol-violation",
      message: expect.stringContaining("cannot be decoded as gzip"),
    });
  });

  test("a body that breaks off is told, and so is one that the caller gives up", async () => {
    const half = gzipSync(incompressible(1_000_000)).subarray(0, 500_000);
    await using server = await upstream((response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.write(half, () => void setImmediate(() => void response.destroy()));
    });
    expect((await failing(server.exchanger)).code).toBe("connection-reset");

    await using endless = await upstream((response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.write(half);
    });
    const giveUp = new AbortController();
    const { body } = await endless.exchanger.request({ method: "GET" }, { signal: giveUp.signal });
    const reading = body.bytes(100_000_000);
    giveUp.abort();
    await expect(reading).rejects.toMatchObject({ code: "aborted" });
  });
});

test("a compressed body that is read slowly stops the sender, and nothing of it is lost", async () => {
  const bytes = incompressible(20_000_000);
  const compressed = gzipSync(bytes, { level: 1 });
  let written = 0;
  await using server = await upstream(
    (response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      const write = (): void => {
        while (written < compressed.byteLength) {
          const chunk = compressed.subarray(written, written + 65_536);
          written += chunk.byteLength;
          if (!response.write(chunk)) return void response.once("drain", write);
        }
        response.end();
      };
      write();
    },
    { maxResponseBytes: 30_000_000 },
  );
  const { body } = await server.exchanger.request({ method: "GET" });
  let before = -1;
  while (before !== written) {
    before = written;
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(written).toBeLessThan(compressed.byteLength);
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
});

test("bodies come out whole wherever their bytes are cut", async () => {
  const flow: BodyFlow = { pause() {}, resume() {}, abandon() {} };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...CODINGS),
      fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
      fc.array(fc.integer({ min: 1, max: 500 })),
      async ([contentEncoding, compress], bytes, cuts) => {
        let body: ResponseBody | undefined;
        const decoding = new Decoding({
          contentEncoding,
          maxResponseBytes: 5_000,
          purpose: "test",
          flow,
          inlet: (decoded) => {
            body = new ResponseBody(decoded);
            return body;
          },
        });
        let rest = compress(bytes);
        for (const cut of cuts) {
          decoding.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        decoding.push(rest);
        decoding.complete();
        expect(Buffer.from((await body?.bytes()) ?? []).equals(Buffer.from(bytes))).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

/** Bytes that no compression makes smaller, the same every time (xorshift). */
function incompressible(byteLength: number): Buffer {
  const bytes = Buffer.alloc(byteLength);
  let state = 1;
  for (let at = 0; at < byteLength; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}
