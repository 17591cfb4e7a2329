import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openApiDocument } from "../../src/index.ts";
import { METHODS } from "../../src/server-api/methods.ts";
import { JsonRequestReader } from "../../src/server-api/read-json.ts";
import { type ApiBench, apiBench } from "./api-bench.ts";
import { SAMPLE_CHANNELS, SAMPLES, settle } from "./samples.ts";

// Properties and schemas take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly path: string;
  readonly operationId: string;
  readonly request: ValidateFunction;
  /** By status; `undefined` for an answer that has no body to judge. */
  readonly responses: ReadonlyMap<string, ValidateFunction | undefined>;
  /** The names of a request's fields. */
  readonly fields: readonly string[];
}

interface DocumentedOperation {
  readonly operationId: string;
  readonly requestBody: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

/** Every operation of the document, its references put in. */
async function operations(document: object): Promise<Operation[]> {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document) as Record<string, unknown>);
  if (!valid) throw new Error(`the document is none of OpenAPI: ${JSON.stringify(errors)}`);
  const { paths } = validator.resolveRefs() as { paths: Record<string, Record<string, DocumentedOperation>> };
  const ajv = new Ajv2020({ strict: false });
  const schemaOf = (part: {
    readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
  }): Schema | undefined => part.content?.["application/json"]?.schema;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, requestBody, responses }]) => {
      expect(method).toBe("post");
      const request = schemaOf(requestBody) as Schema & { properties: object };
      return {
        path,
        operationId,
        request: ajv.compile(request),
        fields: Object.keys(request.properties),
        responses: new Map(
          Object.entries(responses).map(([status, response]) => {
            const schema = schemaOf(response);
            return [status, schema && ajv.compile(schema)];
          }),
        ),
      };
    }),
  );
}

async function served(): Promise<{ bench: ApiBench; all: readonly Operation[] } & AsyncDisposable> {
  const bench = await apiBench({ channels: SAMPLE_CHANNELS, version: "1.2.3" }, { version: "1.2.3" });
  await settle(bench);
  const response = await fetch(`${bench.url}/openapi.json`);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json; charset=utf-8"]);
  const document = (await response.json()) as { info: { version: string } };
  expect(document.info.version).toBe("1.2.3");
  return { bench, all: await operations(document), [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}

describe("the OpenAPI document", () => {
  it("describes every method, and no other", async () => {
    const all = await operations(openApiDocument());
    expect(all.map(({ path }) => path)).toEqual([...METHODS.keys()].map((name) => `/api/${name}`));
    expect(all.map(({ operationId }) => operationId)).toEqual([...METHODS.keys()]);
    expect(Object.keys(SAMPLES)).toEqual([...METHODS.keys()]);
  });

  it("fits what each operation takes and answers", async () => {
    await using walk = await served();
    for (const { operationId, request, responses } of walk.all) {
      const sample = SAMPLES[operationId] as object;
      expect([operationId, request(sample), request.errors]).toEqual([operationId, true, null]);
      const { status, body } = await walk.bench.post(operationId, sample);
      expect([operationId, status, body]).toEqual([
        operationId,
        200,
        expect.objectContaining({ result: expect.anything() }),
      ]);
      const judge = responses.get("200");
      expect([operationId, judge?.(body), judge?.errors]).toEqual([operationId, true, null]);
    }
  });

  it("fits what each operation answers when it does not do it", async () => {
    await using walk = await served();
    for (const { operationId, request, responses } of walk.all) {
      const unknown = { ...SAMPLES[operationId], unknown: 1 };
      expect(request(unknown)).toBe(false);
      const answers = [
        await walk.bench.post(operationId, unknown),
        await walk.bench.post(operationId, unknown, { "x-centrifugo-error-mode": "transport" }),
        await walk.bench.post(operationId, SAMPLES[operationId], { "x-api-key": "wrong" }),
        await walk.bench.post(operationId, SAMPLES[operationId], { "content-type": "text/plain" }),
        await walk.bench.post(operationId, " ".repeat(walk.bench.hub.linkLimits.maxMessageBytes + 1)),
      ];
      expect(answers.map(({ status }) => status)).toEqual([400, 400, 401, 415, 413]);
      for (const { status, body } of answers) {
        expect(responses.has(String(status))).toBe(true);
        const judge = responses.get(String(status));
        if (judge !== undefined)
          expect([operationId, status, judge(body), judge.errors]).toEqual([operationId, status, true, null]);
      }
    }
  });

  it("fits errors in both modes, of every code", async () => {
    await using walk = await served();
    const judged = new Map(walk.all.map(({ operationId, responses }) => [operationId, responses]));
    const wrong = [
      ["publish", { channel: "other", data: 1 }, "404"],
      ["publish", { channel: "news", data: 1, version: 1 }, "400"],
      ["history", { channel: "kept:a", since: { offset: 1, epoch: "no" } }, "416"],
      ["presence", { channel: "" }, "400"],
    ] as const;
    for (const [method, request, status] of wrong) {
      const reply = await walk.bench.post(method, request);
      expect([reply.status, judged.get(method)?.get("200")?.(reply.body)]).toEqual([200, true]);
      const bare = await walk.bench.post(method, request, { "x-centrifugo-error-mode": "transport" });
      expect([String(bare.status), judged.get(method)?.get(status)?.(bare.body)]).toEqual([status, true]);
    }
  });

  it("takes what the server reads, and refuses what it refuses, whatever is asked", async () => {
    const all = await operations(openApiDocument());
    const reader = new JsonRequestReader();
    const value = fc.oneof(
      fc.constantFrom<unknown>(
        "",
        "a",
        "MQ==",
        0,
        1,
        -1,
        1.5,
        true,
        false,
        [],
        ["a"],
        {},
        { a: "b" },
        { offset: 1 },
        { value: true },
      ),
      fc.jsonValue().filter((one) => one !== null),
    );
    for (const { operationId, request, fields } of all) {
      const method = METHODS.get(operationId);
      const some = fc.dictionary(fc.constantFrom(...fields, "unknown"), value, { maxKeys: 5, noNullPrototype: true });
      fc.assert(
        fc.property(some, (asked) => {
          const text = JSON.stringify(asked);
          // Null is taken as nothing at all, wherever it stands; the document knows it nowhere.
          fc.pre(!text.includes("null"));
          const isDocumented = request(JSON.parse(text));
          const isRead = reads(() => reader.readText(text, method?.request ?? {}));
          if (isDocumented) return isRead;
          // What is read and yet refused lacks something: that is told when the call is made.
          const lacks = ["required", "minLength", "minItems", "oneOf", "if"];
          return !isRead || (request.errors ?? []).every(({ keyword }) => lacks.includes(keyword));
        }),
        { numRuns: 300 },
      );
    }
  });

  it("is read with GET alone", async () => {
    await using bench = await apiBench();
    const response = await fetch(`${bench.url}/openapi.json`, { method: "POST" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});

function reads(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
