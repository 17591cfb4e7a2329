import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { cableTo } from "@polywire/conformance/testing";
import { Network } from "@polywire/core";
import { serverApi } from "@polywire/dialect-centrifuge";
import { http } from "@polywire/http";
import { Hub } from "@polywire/realtime";
import { afterAll, describe, expect, test } from "vitest";
import { freePorts, type RunningCommand, runPolywire } from "./command.ts";

/** Starting a process takes its time on a busy machine. */
const TIMEOUT = { timeout: 60_000 };

const KEY = "the-key-of-this-test";
const environment = { POLYWIRE_API_KEY: KEY };

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-pub-sub-api-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

interface Serving extends AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  readonly port: number;
}

/** A hub that clients may do nothing with, behind the server API. */
async function serve(): Promise<Serving> {
  const hub = new Hub({
    channels: [
      { match: "kept:*", kind: "private", history: { size: 1_000, ttlMs: 60_000 } },
      { match: "bytes", data: "binary", history: { size: 9, ttlMs: 60_000 } },
      { match: "*" },
    ],
  });
  const network = new Network({ protocols: [http()], services: [hub] });
  const { endpoint } = await network.listen("http://127.0.0.1:0/api/", serverApi(hub, { keys: [KEY] }));
  const port = endpoint.port as number;
  return {
    hub,
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 1_000 }),
  };
}

async function texts(hub: Hub, channel: string): Promise<string[]> {
  const { publications } = await hub.history(channel, { limit: 1_000 });
  return publications.map(({ data }) => new TextDecoder().decode(data));
}

const eventsOf = (command: RunningCommand): unknown[] =>
  command.output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

describe("pub --api", TIMEOUT, () => {
  test("publishes as the server, JSON as it was typed, and lines of the input in order", async () => {
    await using server = await serve();
    await using one = runPolywire(["pub", "--api", server.url, "kept:a", '{"n":12345678901234567890}'], {
      environment,
    });
    expect(await one.ended()).toBe(0);
    expect(one.output).toBe("");
    expect(one.errors).toMatch(/^polywire: connected to the API of .*\npolywire: published 1 to kept:a\n$/);
    await using many = runPolywire(["pub", "--api", `${server.url}/api/`, "kept:a", "--json"], { environment });
    many.process.stdin?.end("two words\n\n3\n[4]");
    expect(await many.ended()).toBe(0);
    expect(eventsOf(many)).toEqual([{ event: "published", channel: "kept:a", count: 3 }]);
    expect(await texts(server.hub, "kept:a")).toEqual(['{"n":12345678901234567890}', '"two words"', "3", "[4]"]);
  });

  test("--text and --raw", async () => {
    await using server = await serve();
    await using text = runPolywire(["pub", "--api", server.url, "kept:a", "12", "--text"], { environment });
    expect(await text.ended()).toBe(0);
    await using raw = runPolywire(["pub", "--api", server.url, "bytes", "plain {", "--raw"], { environment });
    expect(await raw.ended()).toBe(0);
    expect([await texts(server.hub, "kept:a"), await texts(server.hub, "bytes")]).toEqual([['"12"'], ["plain {"]]);
  });

  test("the key comes from the environment or a file, and is never shown", async () => {
    await using server = await serve();
    const file = path.join(directory, "keys");
    fs.writeFileSync(file, `\n${KEY}\nan-older-key-of-the-test\n`);
    const pub = ["pub", "--api", server.url, "kept:a", "1"];
    await using first = runPolywire(pub, { environment: { POLYWIRE_API_KEY: `${KEY},an-older-key` } });
    await using second = runPolywire([...pub, "--api-key-file", file]);
    await using wrong = runPolywire(pub, { environment: { POLYWIRE_API_KEY: "c4n4ry-c4n4ry-c4n4ry" } });
    expect([await first.ended(), await second.ended(), await wrong.ended()]).toEqual([0, 0, 1]);
    expect(wrong.errors).toMatch(/^polywire: ".*" does not accept the API key\n$/);
    expect(first.errors + second.errors + wrong.errors).not.toMatch(new RegExp(`${KEY}|c4n4ry`));
  });

  test("what is refused is one line, exit 1", async () => {
    await using server = await serve();
    await using pub = runPolywire(["pub", "--api", server.url, "$no", "1"], { environment });
    expect(await pub.ended()).toBe(1);
    expect(pub.errors).toMatch(/\npolywire: not published to "\$no": unknown channel: .* \(102\)\n$/);
    await using elsewhere = runPolywire(["pub", "--api", `${server.url}/other`, "a", "1"], { environment });
    expect(await elsewhere.ended()).toBe(1);
    expect(elsewhere.errors).toMatch(/^polywire: ".*" answers info with 404: is that its internal address/);
  });

  test.each(["pub", "sub"])("%s --api: nobody there is one line, exit 1", async (name) => {
    const [port = 0] = await freePorts(1);
    await using command = runPolywire([name, "--api", `http://127.0.0.1:${port}`, "a"], { environment });
    expect(await command.ended()).toBe(1);
    expect(command.errors).toMatch(/^polywire: .*ECONNREFUSED.*\n$/);
  });

  test.each([
    [["pub", "--api", "ws://x", "c", "d"], /--api goes with http:\/\/ or https:\/\/, not ws:\/\//],
    [["pub", "--api", "http://x", "c", "d", "--protobuf"], /'--api' cannot be used with option '--protobuf'/],
    [["sub", "--api", "http://x", "c", "--token-file", "x"], /'--api' cannot be used with option '--token-file/],
    [
      ["sub", "--api", "http://x", "c", "--api-key-file", "/nowhere"],
      /--api-key-file \/nowhere: cannot be read \(ENOENT\)/,
    ],
  ])("%j is bad usage: one line, exit 2", async (commandArguments, expected) => {
    await using command = runPolywire(commandArguments, { environment });
    expect(await command.ended()).toBe(2);
    expect(command.errors).toMatch(expected);
    expect(command.errors.trimEnd().split("\n")).toHaveLength(1);
  });

  test("without a key it says where one may come from", async () => {
    await using command = runPolywire(["pub", "--api", "http://127.0.0.1:1", "c", "d"]);
    expect(await command.ended()).toBe(2);
    expect(command.errors).toBe("polywire: --api needs a key: set POLYWIRE_API_KEY, or give --api-key-file\n");
  });
});

describe("sub --api", TIMEOUT, () => {
  test("prints the history first, then what comes, each once", async () => {
    await using server = await serve();
    for (const number of [1, 2, 3]) await server.hub.publish("kept:a", number);
    await using sub = runPolywire(["sub", "--api", server.url, "kept:a", "--history", "2", "--count", "404"], {
      environment,
    });
    await sub.printed(/^2\n3\n/);
    for (let number = 4; number <= 405; number++) await server.hub.publish("kept:a", number);
    expect(await sub.ended()).toBe(0);
    expect(sub.output).toBe(Array.from({ length: 404 }, (_, index) => `${index + 2}\n`).join(""));
  });

  test("--json tells positions, which --recover takes; several channels are named", async () => {
    await using server = await serve();
    const { position } = await server.hub.history("kept:a");
    for (const number of [1, 2]) await server.hub.publish("kept:a", number, { tags: { n: "x" } });
    const recover = ["--recover", `1:${position.epoch}`];
    await using sub = runPolywire(["sub", "--api", server.url, "kept:a", "--json", "--count", "1", ...recover], {
      environment,
    });
    expect(await sub.ended()).toBe(0);
    expect(eventsOf(sub)).toEqual([
      { event: "subscribed", channel: "kept:a", position: `2:${position.epoch}` },
      { event: "publication", channel: "kept:a", offset: 2, data: 2, tags: { n: "x" } },
    ]);
    await using both = runPolywire(["sub", "--api", server.url, "kept:a", "kept:b", "--count", "2"], { environment });
    await both.said(/kept:a: following/);
    await both.said(/kept:b: following/);
    await server.hub.publish("kept:a", "a");
    await both.printed(/kept:a\t"a"\n/);
    await server.hub.publish("kept:b", "b");
    expect(await both.ended()).toBe(0);
    expect(both.output).toBe('kept:a\t"a"\nkept:b\t"b"\n');
  });

  test("says what it missed: a stream of another epoch, and publications that are gone", async () => {
    await using server = await serve();
    await server.hub.publish("kept:a", 1);
    const missed = /kept:a: some publications were missed and cannot be had any more\n/;
    await using other = runPolywire(["sub", "--api", server.url, "kept:a", "--recover", "1:other"], { environment });
    await other.said(missed);
    const { position } = await server.hub.history("kept:a");
    await server.hub.publish("kept:a", 2);
    await server.hub.removeHistory("kept:a");
    await server.hub.publish("kept:a", 3);
    const recover = ["--recover", `1:${position.epoch}`, "--count", "1"];
    await using gone = runPolywire(["sub", "--api", server.url, "kept:a", ...recover], { environment });
    expect(await gone.ended()).toBe(0);
    expect(gone.errors).toMatch(missed);
    expect(gone.output).toBe("3\n");
  });

  test("goes on when a lost connection is there again", async () => {
    await using server = await serve();
    await using cable = await cableTo(() => server.port);
    await using sub = runPolywire(["sub", "--api", `http://127.0.0.1:${cable.port}`, "kept:a", "--count", "2"], {
      environment,
    });
    await sub.said(/kept:a: following/);
    await server.hub.publish("kept:a", 1);
    await sub.printed(/^1\n/);
    cable.cut();
    await sub.said(/kept:a: connecting again/);
    await server.hub.publish("kept:a", 2);
    cable.mend();
    expect(await sub.ended()).toBe(0);
    expect(sub.output).toBe("1\n2\n");
  });

  test("a channel without history is one line, exit 1", async () => {
    await using server = await serve();
    await using sub = runPolywire(["sub", "--api", server.url, "news"], { environment });
    expect(await sub.ended()).toBe(1);
    expect(sub.errors).toMatch(/polywire: news: not available: .* keeps no history.* \(108\)\n$/);
  });
});
