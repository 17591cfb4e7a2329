import { expect, test } from "vitest";
import { type Admission, type Exchange, type Link, Network, type Service } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { ManualClock } from "../src/testing.ts";
import { echo, Notes, openNetwork, turns } from "./opened-network.ts";

function service(name: string, log: string[], more: Partial<Service> = {}): Service {
  return {
    name,
    start: () => void log.push(`${name} start`),
    drain: async () => void log.push(`${name} drain`),
    close: async () => void log.push(`${name} close`),
    inspect: () => ({ calls: log.length }),
    ...more,
  };
}

test("a service starts once before the first work, drains while links are open and closes after them", async () => {
  const log: string[] = [];
  const watched = openNetwork({ services: [service("hub", log)] });
  const { network } = watched;
  expect(log).toEqual([]);
  expect(network.inspect().services).toEqual({ hub: { calls: 0 } });
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  connection.on("close", () => void log.push("link closed"));
  expect(log).toEqual(["hub start"]);
  await network.close();
  expect(log).toEqual(["hub start", "hub drain", "link closed", "hub close"]);
});

test("a network that did nothing closes without starting its services", async () => {
  const log: string[] = [];
  const network = new Network({ protocols: [memory()], services: [service("hub", log)] });
  await network.close();
  expect(log).toEqual([]);
  expect(network.inspect().state).toBe("closed");
});

test("a service that fails to start fails the call, and starts with the next one", async () => {
  let tries = 0;
  const log: string[] = [];
  const flaky = service("flaky", log, {
    start() {
      if (++tries === 1) throw new Error("not yet");
      log.push("flaky start");
    },
  });
  await using watched = openNetwork({ services: [service("solid", log), flaky] });
  await expect(watched.network.listen("memory://x", echo)).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("not yet"),
  });
  await watched.network.listen("memory://x", echo);
  expect(log).toEqual(["solid start", "flaky start"]);
});

test("close is done once, and nothing works afterwards", async () => {
  const { network } = openNetwork();
  await network.listen("memory://echo", echo);
  const first = network.close();
  expect(network.close()).toBe(first);
  expect(network.inspect()).toMatchObject({ state: "closing", listeners: [] });
  await expect(network.connect("memory://echo")).rejects.toMatchObject({ code: "closed" });
  await first;
  expect(network.inspect()).toMatchObject({ state: "closed", connections: [] });
  await expect(network.listen("memory://echo", echo)).rejects.toMatchObject({
    code: "closed",
    message: "the network is closed: make a new one",
  });
});

test("a wrong timeout is refused, and the network can be closed all the same", async () => {
  const { network } = openNetwork();
  for (const timeoutMs of [0, -1, Number.POSITIVE_INFINITY, 2 ** 31])
    expect(() => network.close({ timeoutMs })).toThrow(/timeoutMs is/);
  await network.close();
  expect(network.inspect().state).toBe("closed");
});

test("closing ends the dials under way", async () => {
  const { network } = openNetwork();
  const asked = Promise.withResolvers<void>();
  const admit = (): Promise<Admission> => {
    asked.resolve();
    return new Promise(() => {});
  };
  await network.listen("memory://slow", { admit, link: echo });
  const dial = network.connect("memory://slow");
  const refused = dial.catch((thrown: unknown) => thrown);
  await asked.promise;
  await network.close();
  expect(await refused).toMatchObject({ code: "closed" });
});

test("what does not end in time is cut off", async () => {
  const clock = new ManualClock();
  const log: string[] = [];
  const stuck = service("stuck", log, { drain: () => new Promise(() => {}), close: () => new Promise(() => {}) });
  const { network, errors } = openNetwork({ clock, services: [stuck], limits: { closeTimeoutMs: 1_000_000 } });
  const server = new Notes();
  let served: Link | undefined;
  await network.listen("memory://deaf", (link) => {
    served = link;
    link.open(server);
    link.pause();
  });
  const connection = await network.connect("memory://deaf");
  connection.send("unread");
  await turns();
  const closed = network.close({ timeoutMs: 2_000 });
  await turns();
  expect(network.inspect().state).toBe("closing");
  clock.advance(2_000);
  await closed;
  expect(network.inspect().state).toBe("closed");
  expect(errors.map(({ code }) => code)).toEqual(["timed-out", "timed-out"]);
  await turns();
  served?.resume();
  expect(connection.closeInfo).toMatchObject({ by: "local", clean: false });
  expect(network.inspect().connections).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("a service that fails to drain is reported, and the rest goes on", async () => {
  const log: string[] = [];
  const failing = service("failing", log, { drain: () => Promise.reject(new Error("half drained")) });
  const { network, errors } = openNetwork({ services: [failing, service("hub", log)] });
  await network.listen("memory://x", echo);
  await network.close();
  expect(errors.map(({ message }) => message)).toEqual(["half drained"]);
  expect(log).toEqual(["failing start", "hub start", "hub drain", "failing close", "hub close"]);
});

test("a closed listener takes nobody, and its links live on", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const listener = await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  await listener.close();
  expect(network.inspect().listeners).toEqual([]);
  const heard = new Promise((resolve) => connection.on("data", resolve));
  connection.send("still here");
  expect(await heard).toBe("still here");
  await network.listen("memory://echo", echo);
  await expect(network.listen("memory://echo", echo)).rejects.toMatchObject({
    code: "address-in-use",
    retryable: true,
  });
});

test("closing the network lets requests under way end and their exchangers take no more", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const arrived = Promise.withResolvers<Exchange>();
  await network.listen("memory://ask", { exchange: (exchange) => arrived.resolve(exchange) });
  const exchanger = await network.open("memory://ask");
  const closedBefore = await network.open("memory://ask");
  await closedBefore.close();
  await closedBefore.closed;

  const underWay = exchanger.request({ method: "GET" });
  const exchange = await arrived.promise;
  const closed = network.close();
  exchange.respond({ status: 200 }, "done");

  const response = await underWay;
  expect(new TextDecoder().decode(await response.body.bytes())).toBe("done");
  await closed;
  await exchanger.closed;
  await expect(exchanger.request({ method: "GET" })).rejects.toMatchObject({ code: "closed" });
});
