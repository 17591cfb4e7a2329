import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERRORS, type HubOptions, type PublishVerdict } from "../src/index.ts";
import type { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const history = { size: 500, ttlMs: 60_000 };
const CLIENTS = { match: "*", publish: "clients", history, read: "clients" } as const;

function hubWith(publishing: HubOptions["publishing"], rule: object = {}): TestHub {
  return new TestHub({ channels: [{ ...CLIENTS, ...rule }], publishing: publishing as never });
}

function told(client: TestClient): string[] {
  return client.take().flatMap((each) => (each.kind === "publication" ? [each.text] : []));
}

describe("a program that decides about publications", () => {
  it("is told who publishes what, after the rule had its say", async () => {
    const asked: unknown[] = [];
    await using test = new TestHub({
      channels: [{ match: "server:*" }, CLIENTS],
      authenticate: () => ({ user: "42", meta: { plan: "gold" } }),
      publishing: ({ data, ...request }) => {
        asked.push({ ...request, data: decoder.decode(data) });
        return { allowed: true };
      },
    });
    const client = await test.client();
    client.publish("server:a", 1).publish("a", { text: "hi" });
    await test.settle();
    expect(asked).toEqual([
      { channel: "a", data: '{"text":"hi"}', format: "json", client: client.id, user: "42", meta: { plan: "gold" } },
    ]);
    expect(client.answerTo("publish server:a").error).toBe(103);
    expect(client.answerTo("publish a").error).toBeUndefined();
  });

  it("may publish something else, with tags, or keep it out of history", async () => {
    const verdicts: PublishVerdict[] = [
      { allowed: true, data: encoder.encode('"polite"'), tags: { lang: "en" } },
      { allowed: true, skipHistory: true },
    ];
    await using test = hubWith(() => verdicts.shift() as PublishVerdict);
    const client = await test.subscriber("a");
    client.publish("a", "rude").publish("a", "fleeting");
    await test.settle();
    expect(told(client)).toEqual(['"polite"', '"fleeting"']);
    const { publications } = await test.hub.history("a");
    expect(publications.map(({ data, tags }) => [decoder.decode(data), tags?.get("lang")])).toEqual([
      ['"polite"', "en"],
    ]);
  });

  it("may say no with an error of its own, or end the session", async () => {
    await using test = hubWith(({ data }) =>
      decoder.decode(data) === '"spam"'
        ? { error: { code: 1_001, message: "no spam", isTemporary: false } }
        : { disconnect: { code: 4_500, reason: "enough" } },
    );
    const client = await test.client();
    client.publish("a", "spam");
    await test.settle();
    expect(client.answerTo("publish a").error).toBe(1_001);
    client.publish("a", "worse");
    await test.settle();
    expect(client.take().at(-1)).toMatchObject({ kind: "disconnect", code: 4_500 });
  });

  it.each<[string, HubOptions["publishing"]]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken"))],
    ["answers nonsense", () => "yes" as never],
    ["gives data that are no JSON", () => ({ allowed: true, data: encoder.encode("{") })],
    ["gives tags that are no texts", () => ({ allowed: true, tags: { a: 1 as never } })],
  ])("that %s has the client told 100, and nothing is published", async (_what, publishing) => {
    await using test = hubWith(publishing);
    const client = await test.subscriber("a");
    client.publish("a", 1);
    await test.settle();
    expect(client.answerTo("publish a").error).toBe(ERRORS.internal.code);
    expect(told(client)).toEqual([]);
  });

  it("that does not answer has 5 s, then the next publication has its turn", async () => {
    const answers = [new Promise<PublishVerdict>(() => {}), { allowed: true } as const];
    await using test = hubWith(() => answers.shift() as PublishVerdict);
    const client = await test.subscriber("a");
    client.publish("a", "first").publish("a", "second");
    await test.settle();
    expect(told(client)).toEqual([]);
    test.clock.advance(5_000);
    await test.settle();
    expect(told(client)).toEqual(['"second"']);
  });

  it("whose client has gone meanwhile publishes nothing", async () => {
    const verdict = Promise.withResolvers<PublishVerdict>();
    await using test = hubWith(() => verdict.promise);
    const watcher = await test.subscriber("a");
    const client = await test.client();
    client.publish("a", 1);
    client.session.closed();
    verdict.resolve({ allowed: true });
    await test.settle();
    expect(told(watcher)).toEqual([]);
  });

  it("keeps one client's publications in order, in whatever order it answers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), async (order) => {
        const pending: ((verdict: PublishVerdict) => void)[] = [];
        await using test = hubWith(() => new Promise((resolve) => void pending.push(resolve)));
        const client = await test.subscriber("a");
        for (const number of order.keys()) client.publish("a", number);
        await test.settle();
        for (const index of order) {
          pending[index]?.({ allowed: true });
          await test.settle();
        }
        expect(told(client)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("procedures", () => {
  it("of no name of their own go to `call`, whatever they are called", async () => {
    await using test = new TestHub({
      procedures: { named: () => encoder.encode('"by name"') },
      call: ({ method }) => encoder.encode(JSON.stringify(`by call: ${method}`)),
    });
    const client = await test.client();
    for (const method of ["named", "other", "__proto__"]) client.call(method, {});
    await test.settle();
    const answerTo = (method: string): unknown =>
      decoder.decode(client.answerTo(`call ${method}`).result as Uint8Array);
    expect(answerTo("named")).toBe('"by name"');
    expect(answerTo("other")).toBe('"by call: other"');
    expect(answerTo("__proto__")).toBe('"by call: __proto__"');
  });
});
