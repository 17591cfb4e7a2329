import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hasProgram } from "@polywire/conformance/testing";
import type { Exchange } from "@polywire/core";
import { describe, expect, test } from "vitest";
import { serve } from "./serving.ts";

const run = promisify(execFile);

/** What a Python program prints that talks to the port with the HTTP client of its standard library. */
async function python(port: number, program: string): Promise<string> {
  const prelude = `
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
`;
  const { stdout } = await run("python3", ["-c", prelude + program, String(port)]);
  return stdout;
}

async function echo(exchange: Exchange): Promise<void> {
  const body = await exchange.body.bytes();
  const head = { status: 200, headers: new Map([["x-method", exchange.method]]) };
  if (exchange.method === "HEAD") exchange.respond(head);
  else exchange.respond(head, body);
}

describe.skipIf(!hasProgram("python3", "--version"))("Python's http.client", () => {
  test("several requests on one connection, each answered in full", async () => {
    await using serving = await serve({ answer: echo });
    const said = await python(
      serving.port,
      `
for number in range(3):
    c.request("POST", "/", body=f"grüße {number}".encode())
    r = c.getresponse()
    print(r.status, r.version, r.read().decode(), c.sock is not None)
`,
    );
    expect(said).toBe("200 11 grüße 0 True\n200 11 grüße 1 True\n200 11 grüße 2 True\n");
    const ports = new Set(serving.exchanges.map(({ peer }) => peer.port));
    expect(serving.exchanges).toHaveLength(3);
    expect(ports.size).toBe(1);
  });

  test("a body in chunks arrives whole", async () => {
    await using serving = await serve({ answer: echo });
    const said = await python(
      serving.port,
      `
c.request("PUT", "/", body=(b"x" * 1000 for _ in range(50)), encode_chunked=True)
r = c.getresponse()
print(r.getheader("x-method"), len(r.read()))
`,
    );
    expect(said).toBe("PUT 50000\n");
  });

  test("HEAD has the head alone, and the connection goes on", async () => {
    await using serving = await serve({ answer: echo });
    const said = await python(
      serving.port,
      `
c.request("HEAD", "/")
r = c.getresponse()
print(r.status, r.read())
c.request("GET", "/")
print(c.getresponse().status)
`,
    );
    expect(said).toBe("200 b''\n200\n");
  });

  test("a response that is streamed is read as it comes, and its end is told", async () => {
    const parts = ["one\n", "two\n", "three\n"];
    await using serving = await serve({
      answer(exchange) {
        const link = exchange.stream({ status: 200 });
        link.open({ message() {}, closed() {} });
        for (const part of parts) link.send(part);
        link.close();
      },
    });
    const said = await python(
      serving.port,
      `
c.request("GET", "/")
r = c.getresponse()
print(r.getheader("transfer-encoding"), [line.decode() for line in r])
`,
    );
    expect(said).toBe("chunked ['one\\n', 'two\\n', 'three\\n']\n");
  });

  test("a refusal is read, whatever was still to be sent", async () => {
    await using serving = await serve({ listen: { maxBodyBytes: 100 } });
    const said = await python(
      serving.port,
      `
c.request("POST", "/", body=b"x" * 101)
print(c.getresponse().status)
`,
    );
    expect(said).toBe("413\n");
    expect(serving.exchanges).toHaveLength(0);
  });
});
