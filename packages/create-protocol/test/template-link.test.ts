import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type CloseInfo, Network } from "@polywire/core";
import { expect, test } from "vitest";
import { mywire } from "../template/src/index.ts";

// What the template does beyond the laws: the kit reaches a plugin through its own two ends, never through a broken peer.

/** A TCP server that reads nothing, with the link that a network has to it. */
async function dialMute() {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  const arrived = once(server, "connection") as Promise<[Socket]>;
  await once(server, "listening");
  const network = new Network({ protocols: [mywire()] });
  const { port } = server.address() as AddressInfo;
  const connection = await network.connect(`mywire://127.0.0.1:${port}`, { reconnect: false });
  const [peer] = await arrived;
  const closed = new Promise<CloseInfo>((resolve) => connection.on("close", resolve));
  return {
    network,
    connection,
    peer,
    closed,
    async [Symbol.asyncDispose]() {
      peer.destroy();
      await network.close();
      server.close();
    },
  };
}

test("bytes whose write failed when the peer reset were counted as sent", async () => {
  await using mute = await dialMute();
  const chunk = new Uint8Array(1_000_000);
  while (mute.connection.send(chunk) !== "refused");
  expect(mute.connection.refusal).toBe("overflow");
  mute.peer.resetAndDestroy();
  const info = await mute.closed;
  expect(info).toMatchObject({ by: "network", clean: false, error: { code: "connection-reset" } });
  expect(info.bytesLost).toBeGreaterThan(chunk.byteLength);
});

test("a peer that ends in the middle of a message broke off", async () => {
  await using mute = await dialMute();
  const messages: unknown[] = [];
  mute.connection.on("data", (payload) => void messages.push(payload));
  mute.peer.end(Buffer.from([0, 0, 0, 5, 0x68, 0x65]));
  expect(await mute.closed).toMatchObject({ by: "network", clean: false });
  expect(messages).toEqual([]);
});

test("a message that is far too large is refused without a copy of it", async () => {
  await using mute = await dialMute();
  const huge = new Uint8Array(64);
  Object.defineProperty(huge, "byteLength", { value: 2 ** 33 });
  expect(mute.connection.send(huge)).toBe("refused");
  expect(mute.connection.refusal).toBe("too-large");
});

test.each([
  ["mywire://127.0.0.1", /names no host and port: write it like mywire:\/\/127\.0\.0\.1:7000/],
  ["mywire://127.0.0.1:7000/path", /has a path or query, which this wire does not carry/],
  ["mywire://127.0.0.1:7000?a=b", /has a path or query/],
] as const)("%s is refused with what to write instead", async (url, message) => {
  const network = new Network({ protocols: [mywire()] });
  const refused = { code: "invalid-argument", message: expect.stringMatching(message) };
  await expect(network.connect(url)).rejects.toMatchObject(refused);
  await expect(network.listen(url, () => {})).rejects.toMatchObject(refused);
  await network.close();
});

test("an option that is none is named", async () => {
  const network = new Network({ protocols: [mywire()] });
  const options = { nodelay: true } as object;
  await expect(network.connect("mywire://127.0.0.1:7000", options)).rejects.toThrow('did you mean "noDelay"?');
  await expect(network.connect("mywire://127.0.0.1:7000", { noDelay: 1 } as object)).rejects.toThrow("noDelay is 1");
  await network.close();
});
