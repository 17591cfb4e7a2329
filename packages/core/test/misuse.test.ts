import { expect, test } from "vitest";
import { type Link, Network, type Payload } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { echo, Notes, openNetwork, turns } from "./opened-network.ts";

test("P01: connecting twice gives two connections that do not mix", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const [one, two] = await Promise.all([network.connect("memory://echo"), network.connect("memory://echo")]);
  const heard = Promise.all([one, two].map((each) => new Promise((resolve) => each.on("data", resolve))));
  one.send("one");
  two.send("two");
  expect(await heard).toEqual(["one", "two"]);
  expect(one.id).not.toBe(two.id);
});

test("P02: what is sent before the link is opened is kept", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const client = new Notes();
  await network.listen("memory://eager", (link) => {
    expect(link.send("before open")).toBe("sent");
    link.open(client);
  });
  const connection = await network.connect("memory://eager");
  expect(await new Promise((resolve) => connection.on("data", resolve))).toBe("before open");
});

test("P03, P04: after close everything sent is refused, and more closes change nothing", async () => {
  await using watched = openNetwork();
  const { network, disconnects } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const first = connection.close({ reason: "first" });
  expect(connection.send("late")).toBe("refused");
  expect(connection.refusal).toBe("closed");
  expect(await connection.close({ reason: "second" })).toBe(await first);
  expect(connection.send("later")).toBe("refused");
  await turns();
  expect(disconnects.filter(({ direction }) => direction === "dialled")).toHaveLength(1);
  expect(connection.closeInfo?.reason).toBe("first");
});

test("P05: a connection may be closed inside its own message", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const heard: Payload[] = [];
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.on("data", (payload) => {
    heard.push(payload);
    void connection.close({ discard: true });
  });
  connection.send("one");
  connection.send("two");
  expect(await closed).toMatchObject({ by: "local" });
  expect(heard).toEqual(["one"]);
});

test.each([
  [
    "P07: throws",
    (): never => {
      throw new Error("boom");
    },
  ],
  ["P08: rejects", (): Promise<never> => Promise.reject(new Error("boom"))],
])("a handler that %s loses its link, is reported, and the listener serves on", async (_how, fail) => {
  await using watched = openNetwork();
  const { network, errors } = watched;
  let isFirst = true;
  await network.listen("memory://x", {
    link(link: Link) {
      if (!isFirst) return echo(link);
      isFirst = false;
      return fail();
    },
  });
  const first = await network.connect("memory://x", { reconnect: false });
  expect(await new Promise((resolve) => first.on("close", resolve))).toMatchObject({ clean: false });
  expect(errors.map(({ code, message }) => `${code}: ${message}`)).toEqual([
    'internal: the handler of "memory://x" threw: boom',
  ]);
  const second = await network.connect("memory://x");
  const heard = new Promise((resolve) => second.on("data", resolve));
  second.send("fine");
  expect(await heard).toBe("fine");
  expect(network.inspect().connections).toHaveLength(2);
});

test.each([
  [
    "P07: throws",
    (): never => {
      throw new Error("boom");
    },
  ],
  ["P08: rejects", (): Promise<never> => Promise.reject(new Error("boom"))],
])("a sink that %s in message loses its link and is reported", async (_how, fail) => {
  await using watched = openNetwork();
  const { network, errors } = watched;
  await network.listen("memory://x", (link) => link.open({ message: fail, closed() {} }));
  const connection = await network.connect("memory://x", { reconnect: false });
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.send("hi");
  expect(await closed).toMatchObject({ by: "remote", reason: "internal error" });
  expect(errors.map(({ message }) => message)).toEqual(["the link's sink threw in message: boom"]);
});

const detached = new Uint8Array(8);
structuredClone(detached, { transfer: [detached.buffer] });

test.each([
  ["undefined", undefined, /type undefined/],
  ["null", null, /type null/],
  ["NaN", Number.NaN, /type number/],
  ["a symbol", Symbol("s"), /type symbol/],
  ["a function", () => {}, /type function/],
  ["an object", { a: 1 }, /type Object/],
  ["an ArrayBuffer", new ArrayBuffer(8), /type ArrayBuffer/],
  ["P12: a detached array", detached, /transferred away/],
  [
    "bytes prepared for another wire",
    { framing: { name: "other" }, byteLength: 1 },
    /prepared for the framing "other"/,
  ],
])("P11: sending %s throws at the call, and the connection lives on", async (_what, value, says) => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  expect(() => connection.send(value as Payload)).toThrow(says);
  expect(() => connection.send(value as Payload)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("fine");
  expect(await heard).toBe("fine");
});

test("P15: empty messages are messages", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const server = new Notes();
  await network.listen("memory://notes", (link) => link.open(server));
  const connection = await network.connect("memory://notes");
  connection.send("");
  connection.send(new Uint8Array());
  expect(await server.next(2)).toEqual(["", new Uint8Array()]);
});

test("P16, P17: an abort before or during connect rejects, and leaves nothing", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  let dials = 0;
  const asked = Promise.withResolvers<void>();
  await network.listen("memory://slow", {
    admit() {
      dials++;
      asked.resolve();
      return new Promise(() => {});
    },
    link: echo,
  });
  const before = network.connect("memory://slow", { signal: AbortSignal.abort(new Error("mine")) });
  await expect(before).rejects.toMatchObject({ code: "aborted", cause: new Error("mine") });
  expect(dials).toBe(0);
  const controller = new AbortController();
  const during = network.connect("memory://slow", { signal: controller.signal });
  await asked.promise;
  controller.abort();
  await expect(during).rejects.toMatchObject({
    code: "aborted",
    message: 'connect to "memory://slow": aborted by the caller',
  });
  expect(network.inspect().connections).toEqual([]);
});

test.each([0, -1, Number.POSITIVE_INFINITY, 2 ** 31, Number.NaN])(
  "P19: a timeout of %s is refused",
  async (timeoutMs) => {
    await using watched = openNetwork();
    await expect(watched.network.connect("memory://x", { timeoutMs })).rejects.toMatchObject({
      code: "invalid-argument",
      message: `timeoutMs is ${timeoutMs}: give 1 to 2147483647 milliseconds`,
    });
  },
);

test("P20: frozen options are taken and left as they are", async () => {
  const limits = Object.freeze({ maxMessageBytes: 100 });
  const protocols = Object.freeze([memory()]);
  const network = new Network(Object.freeze({ protocols, limits, services: Object.freeze([]) }));
  await using _ = network;
  await network.listen("memory://echo", Object.freeze({ link: echo, limits }), Object.freeze({ limits }));
  const subprotocols = Object.freeze(["a"]);
  const connection = await network.connect("memory://echo", Object.freeze({ limits, subprotocols }));
  expect(connection.link.traits.maxMessageBytes).toBe(100);
});

test("P21: an option whose getter throws is a typed error with the cause", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const options = {
    get timeoutMs(): number {
      throw new Error("from the getter");
    },
  };
  for (const call of [network.connect("memory://x", options), network.open("memory://x", options)]) {
    await expect(call).rejects.toMatchObject({ code: "invalid-argument", cause: new Error("from the getter") });
  }
});

test("P23: an unknown option is refused by name", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  await expect(network.connect("memory://echo", { subprotocol: ["a"] } as object)).rejects.toMatchObject({
    code: "invalid-argument",
    message: 'memory: unknown option "subprotocol" for "memory://echo": known are subprotocols',
  });
  await expect(network.listen("memory://other", echo, { backlog: 5 } as object)).rejects.toMatchObject({
    code: "invalid-argument",
  });
  await expect(network.connect("memory://echo", { limits: { maxMessage: 1 } as object })).rejects.toMatchObject({
    code: "invalid-argument",
    message: expect.stringContaining('unknown limit "maxMessage"'),
  });
});
