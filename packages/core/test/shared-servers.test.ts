import { expect, test } from "vitest";
import { parseEndpoint, SharedServers } from "../src/index.ts";

interface FakeServer {
  readonly port: number;
  readonly close: () => void;
}

/** Servers that bind at once; port 0 gives 1000, 1001, … */
function opener(): { readonly opened: FakeServer[]; open(port: number): (closed: () => void) => Promise<FakeServer> } {
  const opened: FakeServer[] = [];
  return {
    opened,
    open: (port) => async (close) => {
      const server = { port: port === 0 ? 1_000 + opened.length : port, close };
      opened.push(server);
      return server;
    },
  };
}

const at = (url: string) => parseEndpoint(url);

test("listeners at one host and port share a server, also while it is being bound", async () => {
  const servers = new SharedServers<FakeServer>(() => 80);
  const { open, opened } = opener();

  const [first, second] = await Promise.all([
    servers.find(at("x://host:5/one"), open(5)),
    servers.find(at("x://host:5/two"), open(5)),
  ]);

  expect(first).toBe(second);
  expect(opened).toHaveLength(1);
  expect(await servers.find(at("x://other:5/one"), open(5))).not.toBe(first);
});

test("an endpoint without a port is at the default port", async () => {
  const servers = new SharedServers<FakeServer>(() => 80);
  const { open } = opener();
  const server = await servers.find(at("x://host/"), open(80));
  expect(await servers.find(at("x://host:80/"), open(80))).toBe(server);
});

test("port 0 is another server every time, found again by the port it was given", async () => {
  const servers = new SharedServers<FakeServer>(() => 80);
  const { open } = opener();
  const first = await servers.find(at("x://host:0/"), open(0));
  const second = await servers.find(at("x://host:0/"), open(0));
  expect(second).not.toBe(first);
  expect(await servers.find(at(`x://host:${first.port}/`), open(first.port))).toBe(first);
});

test("an address is free again once its server has closed, or could not be bound", async () => {
  const servers = new SharedServers<FakeServer>(() => 80);
  const { open } = opener();
  const first = await servers.find(at("x://host:5/"), open(5));
  first.close();
  expect(await servers.find(at("x://host:5/"), open(5))).not.toBe(first);

  const refused = new Error("in use");
  await expect(servers.find(at("x://host:6/"), () => Promise.reject(refused))).rejects.toBe(refused);
  expect((await servers.find(at("x://host:6/"), open(6))).port).toBe(6);
});
