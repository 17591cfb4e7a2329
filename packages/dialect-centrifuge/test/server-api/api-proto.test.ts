import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { describe, expect, it, test } from "vitest";
import { API_SCHEMA } from "../../scripts/protobuf-schema.ts";
import type { Fields, Shape } from "../../src/server-api/fields.ts";
import { METHODS } from "../../src/server-api/methods.ts";
import { protobufName } from "../../src/server-api/protobuf-messages.ts";

const { root } = protobuf.parse(readFileSync(API_SCHEMA.proto, "utf8"), { keepCase: true });
root.resolveAll();

/** Types of Protobuf that hold what a shape does. */
const SCALARS = {
  text: ["string"],
  count: ["uint32", "uint64"],
  integer: ["int32", "int64"],
  flag: ["bool"],
  data: ["bytes"],
} as const;

/** What differs between a table and its message, as lines for people. */
function differences(type: protobuf.Type, fields: Fields, path: string): string[] {
  const names = Object.keys(fields);
  const lines = type.fieldsArray.flatMap(({ name }) =>
    names.includes(name) ? [] : [`${path}.${name}: only in the schema`],
  );
  for (const [name, { shape }] of Object.entries(fields)) {
    const field = type.fields[name];
    if (field === undefined) lines.push(`${path}.${name}: only in the table`);
    else lines.push(...fieldDifferences(field, shape, `${path}.${name}`));
  }
  return lines;
}

function fieldDifferences(field: protobuf.Field, shape: Shape, path: string): string[] {
  const isMap = field instanceof protobuf.MapField;
  if (shape.kind === "map") return isMap ? valueDifferences(field, shape.of, path) : [`${path}: is no map`];
  if (shape.kind === "list")
    return field.repeated ? valueDifferences(field, shape.of, path) : [`${path}: is not repeated`];
  if (isMap || field.repeated) return [`${path}: has many values`];
  // A text that means something when it is empty is told from none.
  if (shape.kind === "text" && shape.mayBeEmpty && field.partOf === null) return [`${path}: is in no oneof`];
  return valueDifferences(field, shape, path);
}

function valueDifferences(field: protobuf.Field, shape: Shape, path: string): string[] {
  const { resolvedType, type } = field;
  switch (shape.kind) {
    case "object":
    case "choice":
      if (!(resolvedType instanceof protobuf.Type)) return [`${path}: is no message`];
      return differences(resolvedType, shape.fields, path);
    case "publication":
      return type === "Publication" ? [] : [`${path}: is a ${type}`];
    case "client":
      return type === "ClientInfo" ? [] : [`${path}: is a ${type}`];
    case "list":
    case "map":
      return [`${path}: Protobuf has no such thing`];
    default:
      return (SCALARS[shape.kind] as readonly string[]).includes(type)
        ? []
        : [`${path}: is ${type}, not ${shape.kind}`];
  }
}

describe("api.proto", () => {
  it("has a call for every method, and no other, none of them streaming", () => {
    const service = root.lookupService("polywire.api.v1.ServerApi");
    const calls = service.methodsArray.map(({ name, requestType, responseType, requestStream, responseStream }) => {
      return { name, requestType, responseType, isStreaming: requestStream === true || responseStream === true };
    });
    expect(calls).toEqual(
      Array.from(METHODS.keys(), protobufName).map((name) => {
        return { name, requestType: `${name}Request`, responseType: `${name}Result`, isStreaming: false };
      }),
    );
  });

  test.each([...METHODS.values()])("has the fields of $name, of the same types", ({ name, request, result }) => {
    const typeOf = (side: string): protobuf.Type => root.lookupType(`polywire.api.v1.${protobufName(name)}${side}`);
    expect(differences(typeOf("Request"), request, "request")).toEqual([]);
    expect(differences(typeOf("Result"), result, "result")).toEqual([]);
  });

  it("is held against the tables by a test that finds what differs", () => {
    const type = root.lookupType("polywire.api.v1.PublishRequest");
    const publish = METHODS.get("publish")?.request ?? {};
    const { version, ...others } = publish;
    expect(differences(type, others, "request")).toEqual(["request.version: only in the schema"]);
    expect(differences(type, { ...publish, more: version as Fields[string] }, "request")).toEqual([
      "request.more: only in the table",
    ]);
    expect(differences(type, { ...publish, tags: version as Fields[string] }, "request")).toEqual([
      "request.tags: has many values",
    ]);
    expect(differences(type, { ...publish, channel: version as Fields[string] }, "request")).toEqual([
      "request.channel: is string, not count",
    ]);
  });
});
