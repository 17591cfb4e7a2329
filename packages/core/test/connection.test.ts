import { expect, test } from "vitest";
import { type Link, messages, type Payload } from "../src/index.ts";
import { echo, Notes, openNetwork, turns } from "./opened-network.ts";

test("nothing is read before somebody listens, so the first message is not lost", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://greeter", (link) => {
    link.open(new Notes());
    link.send("welcome");
  });
  const connection = await network.connect("memory://greeter");
  await turns();
  expect(connection.messagesIn).toBe(0);
  const heard = new Promise((resolve) => connection.on("data", resolve));
  expect(await heard).toBe("welcome");
});

test("close is told how it ended, also when it had ended already", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  expect(connection.state).toBe("ready");
  const [first, second] = await Promise.all([connection.close({ reason: "bye" }), connection.close()]);
  expect(first).toMatchObject({ by: "local", clean: true, reason: "bye" });
  expect(second).toBe(first);
  expect(await connection.close()).toBe(first);
  expect(connection.state).toBe("closed");
  expect(connection.closeInfo).toBe(first);
});

test("a connection closes itself when its scope ends", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const server = new Notes();
  await network.listen("memory://notes", (link) => link.open(server));
  {
    await using connection = await network.connect("memory://notes");
    connection.send("hi");
  }
  expect(await server.closing()).toMatchObject({ by: "remote", clean: true });
  expect(server.messages).toEqual(["hi"]);
});

test("what a data listener throws is told as an error, and the connection lives on", async () => {
  await using watched = openNetwork();
  const { network, errors } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const heard: Payload[] = [];
  connection.on("data", (payload) => {
    heard.push(payload);
    throw new Error(`cannot take ${String(payload)}`);
  });
  connection.send("one");
  connection.send("two");
  await turns();
  expect(heard).toEqual(["one", "two"]);
  expect(errors.map(({ message }) => message)).toEqual([
    'listener for "data" threw: cannot take one',
    'listener for "data" threw: cannot take two',
  ]);
  expect(connection.state).toBe("ready");
});

test("messages may be kept, and come in order", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const sent = Array.from({ length: 300 }, (_, index) => new Uint8Array([index, index >> 8]));
  for (const payload of sent) connection.send(payload);
  const kept: Payload[] = [];
  for await (const payload of messages(connection)) {
    kept.push(payload);
    if (kept.length === sent.length) break;
  }
  await turns();
  expect(kept).toEqual(sent);
});

test("a consumer of messages that is behind pauses the connection", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  let served: Link | undefined;
  await network.listen("memory://flood", (link) => {
    served = link;
    link.open(new Notes());
  });
  const connection = await network.connect("memory://flood", { limits: { maxMessageBytes: 100 } });
  const iterator = messages(connection);
  served?.send("0");
  expect((await iterator.next()).value).toBe("0");
  for (let index = 1; index <= 500; index++) served?.send(`${index}`);
  await turns();
  expect(connection.messagesIn).toBe(64 + 1);
  for (let index = 1; index <= 500; index++) expect((await iterator.next()).value).toBe(`${index}`);
});

test("messages end when the connection closes", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://two", (link) => {
    link.open(new Notes());
    link.send("one");
    link.send("two");
    link.close();
  });
  const connection = await network.connect("memory://two", { reconnect: false });
  const heard: Payload[] = [];
  for await (const payload of messages(connection)) heard.push(payload);
  expect(heard).toEqual(["one", "two"]);
  for await (const payload of messages(connection)) heard.push(payload);
  expect(heard).toHaveLength(2);
});

test("messages throw when the connection was cut off", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://rude", (link) => {
    link.open(new Notes());
    link.close({ discard: true });
  });
  const connection = await network.connect("memory://rude", { reconnect: false });
  await expect(messages(connection).next()).rejects.toMatchObject({ code: "connection-reset" });
});

test("the counters count", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://echo", echo, { limits: { maxMessageBytes: 10 } });
  const connection = await network.connect("memory://echo", { limits: { maxMessageBytes: 10 } });
  const heard = new Promise((resolve) => connection.on("data", resolve));
  expect(connection.send("hi")).toBe("sent");
  expect(connection.send("x".repeat(11))).toBe("refused");
  expect(connection.refusal).toBe("too-large");
  await heard;
  expect(connection).toMatchObject({ messagesIn: 1, messagesOut: 1, refusals: 1 });
  const counted = network.inspect().connections.map(({ direction, messagesIn, messagesOut, refusals }) => {
    return { direction, messagesIn, messagesOut, refusals };
  });
  expect(counted).toEqual([
    { direction: "dialled", messagesIn: 1, messagesOut: 1, refusals: 1 },
    { direction: "accepted", messagesIn: 1, messagesOut: 1, refusals: 0 },
  ]);
});
