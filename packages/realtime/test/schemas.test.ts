import { expect, it } from "vitest";
import { Hub, type StandardSchema } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

/** As the libraries of schemas make them: `users` with names; anything else in it is left out. */
const schema: StandardSchema<unknown, { users: { name: string }[] }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      const { users } = value as { readonly users?: unknown };
      if (!Array.isArray(users)) return { issues: [{ message: "expected an array", path: ["users"] }] };
      const wrong = users.findIndex(({ name }) => typeof name !== "string");
      if (wrong !== -1) return { issues: [{ message: "expected a string", path: ["users", { key: wrong }, "name"] }] };
      return { value: { users: users.map(({ name }) => ({ name })) } };
    },
  },
};
const channels = [{ match: "typed", publish: "clients" as const, schema }];

it("a program's publication is what the schema returns, or refused by the place that is wrong", async () => {
  await using test = new TestHub({ channels });
  const reader = await test.subscriber("typed");
  await test.publish("typed", { users: [{ name: "Ann", age: 7 }] });
  expect(reader.published).toEqual(['{"users":[{"name":"Ann"}]}']);
  const wrong = test.hub.publish("typed", { users: [{ name: "Ann" }, { name: 7 }] });
  await expect(wrong).rejects.toThrow('cannot publish to "typed": users[1].name: expected a string');
});

it("a client's publication is held against the same schema", async () => {
  await using test = new TestHub({ channels });
  const client = await test.subscriber("typed");
  client.publish("typed", { users: [{ name: "Ann", age: 7 }] });
  await test.settle();
  expect(client.published).toEqual(['{"users":[{"name":"Ann"}]}']);
  client.publish("typed", { users: 7 });
  await test.settle();
  expect(client.answerTo("publish typed").error).toBe(107);
  expect(client.published).toHaveLength(1);
});

it.each([
  ["throws", () => JSON.parse("{") as never],
  ["answers later", (value: unknown) => Promise.resolve({ value })],
])(
  "a schema that %s publishes nothing and is counted; the client is told that it is not to blame",
  async (_, validate) => {
    const broken: StandardSchema = { "~standard": { version: 1, vendor: "test", validate } };
    await using test = new TestHub({ channels: [{ match: "typed", publish: "clients", schema: broken }] });
    const client = await test.subscriber("typed");
    client.publish("typed", {});
    await test.settle();
    expect(client.answerTo("publish typed").error).toBe(100);
    expect(client.published).toEqual([]);
    expect(test.hub.stats().hookFailures).toBe(1);
  },
);

it("what is no schema is refused by name", () => {
  expect(() => new Hub({ channels: [{ match: "a", schema: {} as StandardSchema }] })).toThrow("channels[0].schema");
  expect(() => new Hub({ channels: [{ match: "a", data: "binary", schema }] })).toThrow("channels[0].schema");
});
