import { describe, expect, it } from "vitest";
import { RateLimit } from "../src/rate-limit.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

/** Errors of the answers since the last time; `undefined` is a yes. */
function errors(client: TestClient): (number | undefined)[] {
  return client.take().flatMap((told) => (told.kind === "answer" ? [told.error] : []));
}

async function calls(test: TestHub, client: TestClient, count: number): Promise<(number | undefined)[]> {
  for (let index = 0; index < count; index++) client.call("nothing");
  await test.settle();
  return errors(client);
}

const procedures = { nothing: () => new Uint8Array() };

describe("commandsPerSecond, alone", () => {
  const options = { limits: { commandsPerSecond: 10 }, procedures };

  it("takes twice as many at once, answers 111 to the others, and takes more when half a second has passed", async () => {
    await using test = new TestHub(options);
    const client = await test.client();
    const answers = await calls(test, client, 25);
    expect(answers).toEqual([...Array<undefined>(20).fill(undefined), ...Array<number>(5).fill(111)]);
    await test.advance(400);
    expect(await calls(test, client, 1)).toEqual([111]);
    await test.advance(100);
    expect(await calls(test, client, 6)).toEqual([...Array<undefined>(5).fill(undefined), 111]);
    expect(test.hub.stats()).toMatchObject({ rateRefusals: 7, sessions: 1 });
  });

  it("ends with 3013 who goes on all the same", async () => {
    await using test = new TestHub(options);
    const client = await test.client();
    expect(await calls(test, client, 40)).toHaveLength(40);
    expect(client.disconnectCode).toBe(undefined);
    client.call("nothing");
    await test.settle();
    expect(client.disconnectCode).toBe(3013);
    expect(test.hub.stats().floods).toBe(1);
  });

  it("lets be for ever who stays within it", async () => {
    await using test = new TestHub(options);
    const client = await test.client();
    for (let round = 0; round < 200; round++) {
      expect(await calls(test, client, 1)).toEqual([undefined]);
      await test.advance(100);
    }
  });

  it("refuses no unsubscribe, and ends with 3013 who sends nothing else", async () => {
    await using test = new TestHub(options);
    const client = await test.client();
    for (let index = 0; index < 40; index++) client.unsubscribe("a");
    expect(errors(client)).toEqual(Array<undefined>(40).fill(undefined));
    client.unsubscribe("a");
    expect(client.disconnectCode).toBe(3013);
  });

  it("counts every client by itself, and not those that are gone with what they said", async () => {
    await using test = new TestHub(options);
    const [first, second] = [await test.client(), await test.client()];
    await calls(test, first, 25);
    expect(await calls(test, second, 20)).toEqual(Array<undefined>(20).fill(undefined));
    const deaf = test.newClient().connect({ isDeaf: true });
    await test.settle();
    deaf.take();
    expect(await calls(test, deaf, 100)).toEqual(Array<undefined>(100).fill(undefined));
  });

  it("ends with 3013 at once who sends too much of what has no answer", async () => {
    await using test = new TestHub({ ...options, receive: () => {} });
    const client = await test.client();
    for (let index = 0; index < 20; index++) client.session.send(new Uint8Array(), "json");
    expect(client.disconnectCode).toBe(undefined);
    client.session.send(new Uint8Array(), "json");
    expect(client.disconnectCode).toBe(3013);
  });
});

describe("publishesPerSecond, alone", () => {
  it("limits publishes and nothing else", async () => {
    await using test = new TestHub({
      channels: [{ match: "*", publish: "clients" }],
      limits: { publishesPerSecond: 2 },
      procedures,
    });
    const client = await test.client();
    for (let index = 0; index < 6; index++) client.publish("a", index);
    await test.settle();
    const answers = errors(client);
    expect([answers.length, answers.filter((code) => code === 111).length]).toEqual([6, 2]);
    expect(await calls(test, client, 50)).toEqual(Array<undefined>(50).fill(undefined));
    for (let index = 0; index < 3; index++) client.publish("a", index);
    expect(client.disconnectCode).toBe(3013);
  });
});

it("without limits nothing is refused", async () => {
  await using test = new TestHub({ procedures });
  expect(await calls(test, await test.client(), 1_000)).toEqual(Array<undefined>(1_000).fill(undefined));
});

it("a rate is kept over any time: at most two seconds of it at once, and the rate after that", () => {
  const rate = new RateLimit(100, 0);
  let taken = 0;
  let refused = 0;
  // Asked every 7 ms for a minute, with a rest before it becomes a flood.
  for (let atMs = 0; atMs < 60_000; atMs += 7) {
    const verdict = rate.take(atMs);
    if (verdict === "taken") taken++;
    else refused++;
    expect(taken).toBeLessThanOrEqual(200 + atMs / 10 + 1);
  }
  expect(taken).toBeGreaterThan(5_900);
  expect(refused).toBeGreaterThan(0);
});
