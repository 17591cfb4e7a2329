import { expect, test, vi } from "vitest";
import {
  type Admission,
  type AnyProtocol,
  type CloseInfo,
  CONTRACT_VERSION,
  type Link,
  Network,
  PolywireError,
  type Sink,
} from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { ManualClock } from "../src/testing.ts";
import { echo, Notes, openNetwork, turns } from "./opened-network.ts";

/** A protocol whose dial does what the test wants. */
function odd(links: AnyProtocol["links"], changes: Partial<AnyProtocol> = {}): AnyProtocol {
  return { ...memory(), name: "odd", schemes: ["odd"], ...(links === undefined ? {} : { links }), ...changes };
}

test("both ends of a connection are known until they are gone", async () => {
  await using watched = openNetwork();
  const { network, disconnects } = watched;
  const opened: string[] = [];
  network.on(
    "connect",
    ({ direction, protocol, endpoint }) => void opened.push(`${direction} ${protocol} ${endpoint}`),
  );
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo?token=hush");
  await turns();
  expect(opened).toEqual(["accepted memory memory://echo", "dialled memory memory://echo?token=***"]);
  const snapshot = network.inspect();
  expect(snapshot).toMatchObject({ state: "open", protocols: ["memory"], listeners: ["memory://echo"] });
  expect(new Set(snapshot.connections.map(({ id }) => id)).size).toBe(2);
  expect(JSON.stringify(snapshot)).not.toContain("hush");
  await connection.close();
  await turns();
  expect(network.inspect().connections).toEqual([]);
  expect(disconnects.map(({ direction, closeInfo }) => `${direction} ${closeInfo.by}`).toSorted()).toEqual([
    "accepted remote",
    "dialled local",
  ]);
});

test("the log names events in constant phrases and holds no secret", async () => {
  await using watched = openNetwork();
  const { network, log } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://user:hush@echo/?token=hush");
  await connection.close();
  expect(log.map(({ message }) => message)).toContain("listening");
  expect(log.map(({ message }) => message)).toContain("connection closed");
  expect(JSON.stringify(log)).not.toContain("hush");
});

test("what the network lends passes: limits of the network, the handler, the listener and the dial", async () => {
  await using watched = openNetwork({ limits: { maxMessageBytes: 1_000, maxLinks: 7 } });
  const { network } = watched;
  const served: Link[] = [];
  const handler = { link: (link: Link) => void served.push(link), limits: { maxMessageBytes: 200 } };
  await network.listen("memory://handler", handler);
  await network.listen("memory://listener", handler, { limits: { maxMessageBytes: 50 } });
  const first = await network.connect("memory://handler", { limits: { maxMessageBytes: 20 } });
  const second = await network.connect("memory://listener");
  expect(served.map(({ traits }) => traits.maxMessageBytes)).toEqual([200, 50]);
  expect([first, second].map(({ link }) => link.traits.maxMessageBytes)).toEqual([20, 1_000]);
  for (const link of served) link.open(new Notes());
});

test("a handler may take links and exchanges at one address", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const listener = await network.listen("memory://both:0", {
    link: echo,
    exchange: (exchange) => exchange.respond({ status: 200 }, "answer"),
  });
  const connection = await network.connect(listener.endpoint.href);
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("hi");
  expect(await heard).toBe("hi");
  const exchanger = await network.open(listener.endpoint.href);
  const { body } = await exchanger.request({ method: "GET" });
  expect(new TextDecoder().decode(await body.bytes())).toBe("answer");
  await listener.close();
  await expect(network.open(listener.endpoint.href)).rejects.toMatchObject({ code: "connection-refused" });
  await expect(network.connect(listener.endpoint.href)).rejects.toMatchObject({ code: "connection-refused" });
});

test("admission refuses before there is a link", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const handler = {
    admit: ({ query }: { query?: string | undefined }): Admission =>
      query === "in" ? { accepted: true } : { accepted: false, status: 401, reason: "who are you" },
    link: echo,
  };
  await network.listen("memory://door", handler);
  await expect(network.connect("memory://door?out")).rejects.toMatchObject({
    code: "handshake-failed",
    message: expect.stringContaining("401: who are you"),
  });
  await expect(network.connect("memory://door?in")).resolves.toMatchObject({ state: "ready" });
});

test.each([
  [
    "throws",
    () => {
      throw new Error("no database");
    },
  ],
  ["rejects", () => Promise.reject(new Error("no database"))],
])("an admission that %s refuses, and is reported", async (_how, admit) => {
  await using watched = openNetwork();
  const { network, errors } = watched;
  await network.listen("memory://door", { admit, link: echo });
  await expect(network.connect("memory://door")).rejects.toMatchObject({ code: "handshake-failed", retryable: true });
  expect(errors[0]?.message).toContain("no database");
});

test("an admission that hangs is refused after 5 s", async () => {
  const clock = new ManualClock();
  await using watched = openNetwork({ clock });
  const { network, errors } = watched;
  const asked = Promise.withResolvers<void>();
  const admit = (): Promise<Admission> => {
    asked.resolve();
    return new Promise(() => {});
  };
  await network.listen("memory://door", { admit, link: echo });
  const dial = network.connect("memory://door");
  await asked.promise;
  clock.advance(5_000);
  await expect(dial).rejects.toMatchObject({ code: "handshake-failed" });
  expect(errors[0]).toMatchObject({ code: "timed-out" });
});

test("a dial that its protocol never ends, ends at its deadline, and its late link is closed", async () => {
  const clock = new ManualClock();
  const dialled = Promise.withResolvers<Link>();
  const network = new Network({ protocols: [odd({ dial: () => dialled.promise })], clock });
  const dial = network.connect("odd://x", { timeoutMs: 1_000 });
  clock.advance(1_000);
  await expect(dial).rejects.toMatchObject({ code: "timed-out", message: expect.stringContaining("1000 ms") });
  const calls: string[] = [];
  const link = { open: () => void calls.push("open"), close: () => void calls.push("close"), send: () => "sent" };
  dialled.resolve(link as unknown as Link);
  await turns();
  expect(calls).toEqual(["open", "close"]);
  expect(network.inspect().connections).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("P43: a protocol made with another copy of this package works", async () => {
  vi.resetModules();
  const copy = await import("../src/memory.ts");
  expect(copy.memory).not.toBe(memory);
  const network = new Network({ protocols: [copy.memory()] });
  await using _ = network;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("hi");
  expect(await heard).toBe("hi");
  await expect(network.connect("memory://nobody")).rejects.toSatisfy(PolywireError.is);
});

test("a link that tells its end twice is gone once", async () => {
  let sink: Sink | undefined;
  const link = { open: (given: Sink) => void (sink = given), pause() {}, resume() {}, send: () => "sent", close() {} };
  const network = new Network({ protocols: [odd({ dial: () => Promise.resolve(link as unknown as Link) })] });
  let disconnects = 0;
  network.on("disconnect", () => void disconnects++);
  await network.connect("odd://x");
  const info: CloseInfo = { by: "remote", clean: true, reason: "", retryable: true, bytesLost: 0 };
  sink?.closed(info);
  sink?.closed(info);
  expect(disconnects).toBe(1);
});

test("P26: two protocols of one name, or that claim one scheme, are refused", () => {
  expect(() => new Network({ protocols: [memory(), memory()] })).toThrow(/protocol "memory" is given twice/);
  const other = { ...memory(), name: "other" };
  expect(() => new Network({ protocols: [memory(), other] })).toThrow(
    'both "memory" and "other" claim the scheme "memory": keep one of them',
  );
});

test("P27: a protocol that throws instead of working is told by a typed error", async () => {
  const broken = (): never => {
    throw new TypeError("cannot read x of undefined");
  };
  const network = new Network({ protocols: [odd({ dial: broken, listen: broken })] });
  await expect(network.connect("odd://x")).rejects.toMatchObject({
    code: "internal",
    message: 'connect to "odd://x": cannot read x of undefined',
  });
  await expect(network.listen("odd://x", echo)).rejects.toMatchObject({ code: "internal" });
  const answering = { open: broken, listen: broken } as unknown as NonNullable<AnyProtocol["exchanges"]>;
  const asking = new Network({ protocols: [odd(undefined, { exchanges: answering })] });
  await expect(asking.open("odd://x")).rejects.toMatchObject({ code: "internal" });
  const serving = { exchange: () => {} };
  await expect(asking.listen("odd://x", serving)).rejects.toMatchObject({ code: "internal" });
  const traitless = new Network({ protocols: [odd(undefined, { traits: broken })] });
  const told = expect.objectContaining({
    code: "internal",
    message: 'traits of "odd://x": cannot read x of undefined',
  });
  await expect(traitless.connect("odd://x")).rejects.toEqual(told);
  expect(() => traitless.connection("odd://x")).toThrow(told);
  expect(traitless.inspect().connections).toEqual([]);
});

test("P30: a protocol of another contract version is refused by name", () => {
  for (const contractVersion of [CONTRACT_VERSION + 1, 0, undefined, "1"]) {
    const old = { ...memory(), name: "old", contractVersion } as unknown as AnyProtocol;
    expect(() => new Network({ protocols: [old] })).toThrow(
      `protocol "old" was built for contract version ${contractVersion}, this @polywire/core speaks 1: install matching`,
    );
  }
  expect(() => new Network({ protocols: [undefined as unknown as AnyProtocol] })).toThrow(
    expect.objectContaining({ code: "incompatible" }),
  );
});

test("P31: a protocol that dials no link is told by a typed error", async () => {
  for (const dialled of [undefined, {}, { open: 1 }]) {
    const network = new Network({ protocols: [odd({ dial: () => Promise.resolve(dialled as unknown as Link) })] });
    await expect(network.connect("odd://x")).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining('protocol "odd" dialled something that is no link'),
    });
  }
});

test("P31: a protocol that opens no exchanger is told by a typed error", async () => {
  for (const opened of [undefined, null, {}, { request: 1 }, { request: () => {} }]) {
    const exchanges = { open: () => Promise.resolve(opened) } as unknown as NonNullable<AnyProtocol["exchanges"]>;
    const network = new Network({ protocols: [odd(undefined, { exchanges })] });
    await expect(network.open("odd://x")).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining('protocol "odd" opened something that makes no requests'),
    });
  }
});

test("P31: a protocol whose listener is none is told by a typed error", async () => {
  for (const bound of [undefined, {}, { endpoint: "odd://x" }]) {
    const links = { dial: () => Promise.reject(new Error("no")), listen: () => Promise.resolve(bound) };
    const network = new Network({ protocols: [odd(links as unknown as AnyProtocol["links"])] });
    await expect(network.listen("odd://x", echo)).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining('protocol "odd" returned something that is no listener'),
    });
  }
});

test("a service that throws when it is asked how it is: the others are told of, and so is the fault", () => {
  const broken = (): never => {
    throw new Error("no idea");
  };
  const services = [
    { name: "broken", inspect: broken },
    { name: "well", inspect: () => ({ orders: 3 }) },
  ];
  const network = new Network({ protocols: [memory()], services });
  const errors: string[] = [];
  network.on("error", ({ message }) => void errors.push(message));
  expect(network.inspect().services).toEqual({ broken: {}, well: { orders: 3 } });
  expect(errors).toEqual(['the service "broken" could not tell how it is: no idea']);
});

test("a network without protocols says what is missing", () => {
  expect(() => new Network({} as { protocols: [] })).toThrow(/new Network\(\{ protocols: \[ws\(\)\] \}\)/);
});

test("what a protocol does not carry is unsupported", async () => {
  const { exchanges: _exchanges, ...linksOnly } = memory();
  const { links: _links, ...exchangesOnly } = memory();
  const network = new Network({
    protocols: [
      { ...linksOnly, name: "a", schemes: ["a"] },
      { ...exchangesOnly, name: "b", schemes: ["b"] },
    ],
  });
  await expect(network.open("a://x")).rejects.toMatchObject({ code: "unsupported" });
  await expect(network.connect("b://x")).rejects.toMatchObject({ code: "unsupported" });
  await expect(network.listen("b://x", echo)).rejects.toMatchObject({ code: "unsupported" });
  await expect(network.listen("a://x", { exchange: () => {} })).rejects.toMatchObject({ code: "unsupported" });
});

test("P42: two networks in one process share only what both were given", async () => {
  const shared = memory();
  const one = new Network({ protocols: [shared] });
  const two = new Network({ protocols: [shared] });
  const apart = new Network({ protocols: [memory()] });
  await using _ = one;
  await one.listen("memory://echo", echo);
  await using connection = await two.connect("memory://echo");
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("across");
  expect(await heard).toBe("across");
  await expect(apart.connect("memory://echo")).rejects.toMatchObject({ code: "connection-refused" });
  expect(one.inspect().connections).toHaveLength(1);
  expect(two.inspect().connections).toHaveLength(1);
  await two.close();
  await one.listen("memory://again", echo);
});

test("what a handler of exchanges throws is answered with 500, what it throws after its answer is not", async () => {
  await using watched = openNetwork();
  const { network, errors } = watched;
  await network.listen("memory://api", {
    async exchange(exchange) {
      if (exchange.path === "/late") exchange.respond({ status: 200 }, "fine");
      await Promise.resolve();
      throw new PolywireError("not-available", `failed at ${exchange.path}`);
    },
  });
  const exchanger = await network.open("memory://api");
  expect((await exchanger.request({ method: "GET", path: "/early" })).status).toBe(500);
  expect((await exchanger.request({ method: "GET", path: "/late" })).status).toBe(200);
  expect(errors.map(({ message }) => message)).toEqual(["failed at /early", "failed at /late"]);
});
