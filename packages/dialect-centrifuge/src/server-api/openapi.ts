import { type Fields, type Shape } from "./fields.ts";
import type { ApiMethod } from "./method.ts";
import { METHODS } from "./methods.ts";
import { protobufName } from "./protobuf-messages.ts";
import { BASE64, MAX_INTEGER } from "./read-json.ts";

type Schema = Readonly<Record<string, unknown>>;

const BASE64_SCHEMA: Schema = { type: "string", contentEncoding: "base64", pattern: BASE64.source };

/** Most entries of a list in a request: what its reader takes. */
const MAX_LISTED = 1_024;

const ERROR: Schema = {
  type: "object",
  required: ["code", "message"],
  properties: {
    code: {
      enum: [100, 102, 104, 106, 107, 108, 111, 112],
      description:
        "100 internal, 102 unknown channel, 104 not found, 106 limit exceeded, 107 bad request, 108 not available, 111 too many requests, 112 unrecoverable position",
    },
    message: { type: "string" },
  },
};

const CLIENT: Schema = {
  type: "object",
  required: ["user", "client"],
  additionalProperties: false,
  properties: {
    user: { type: "string", description: "empty for an anonymous user" },
    client: { type: "string" },
    conn_info: { description: "any JSON" },
    chan_info: { description: "any JSON" },
  },
};

const PUBLICATION: Schema = {
  type: "object",
  required: ["data"],
  additionalProperties: false,
  properties: {
    data: { description: "any JSON, as it was published; base64 of bytes, with the tag encoding=base64" },
    info: { $ref: "#/components/schemas/Client", description: "the client that published" },
    offset: { type: "integer", minimum: 1 },
    tags: { type: "object", additionalProperties: { type: "string" } },
    time: { type: "integer" },
  },
};

/**
 * The OpenAPI document (3.1) of the server API over HTTP, made of the same tables that requests are read by.
 *
 * @returns plain JSON.
 */
export function openApiDocument({
  version = "",
}: {
  readonly version?: string;
} = {}): Readonly<Record<string, unknown>> {
  const methods = [...METHODS.values()];
  return {
    openapi: "3.1.1",
    info: { title: "Polywire server API", version: version === "" ? "0" : version },
    servers: [{ url: "/" }],
    security: [{ key: [] }, { authorization: [] }],
    paths: Object.fromEntries(methods.map((method) => [`/api/${method.name}`, { post: operation(method) }])),
    components: {
      securitySchemes: {
        key: { type: "apiKey", in: "header", name: "X-API-Key" },
        authorization: { type: "apiKey", in: "header", name: "Authorization", description: "apikey and the key" },
      },
      parameters: {
        ErrorMode: {
          name: "X-Centrifugo-Error-Mode",
          in: "header",
          description: "transport: errors are told as HTTP statuses, with the bare error as the body",
          schema: { enum: ["transport"] },
        },
      },
      responses: {
        Malformed: failure("the request cannot be read, or has fields that it must not have", true),
        Unauthorized: { description: "the key is missing or wrong" },
        UnknownChannel: failure("with transport mode: an unknown channel", false),
        TooLarge: { description: "the body is too large" },
        NotJson: failure("the content type is not application/json", true),
        Unrecoverable: failure("with transport mode: the position is of another stream", false),
        TooMany: failure("with transport mode: past a limit", false),
        Internal: failure("with transport mode: the server's own fault", false),
      },
      schemas: {
        Error: ERROR,
        ErrorReply: { type: "object", required: ["error"], properties: { error: ref("Error") } },
        Client: CLIENT,
        Publication: PUBLICATION,
        ...Object.fromEntries(
          methods.flatMap((method) => [
            [`${protobufName(method.name)}Request`, objectSchema(method.request, "request")],
            [`${protobufName(method.name)}Result`, objectSchema(method.result, "result")],
          ]),
        ),
      },
    },
  };
}

function operation({ name, summary }: ApiMethod): Schema {
  const result = { type: "object", required: ["result"], properties: { result: ref(`${protobufName(name)}Result`) } };
  return {
    operationId: name,
    summary,
    parameters: [{ $ref: "#/components/parameters/ErrorMode" }],
    requestBody: { required: true, content: json(ref(`${protobufName(name)}Request`)) },
    responses: {
      200: { description: "the result, or an error", content: json({ oneOf: [result, ref("ErrorReply")] }) },
      400: response("Malformed"),
      401: response("Unauthorized"),
      404: response("UnknownChannel"),
      413: response("TooLarge"),
      415: response("NotJson"),
      416: response("Unrecoverable"),
      429: response("TooMany"),
      500: response("Internal"),
    },
  };
}

function objectSchema(fields: Fields, side: "request" | "result"): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  const alternatives: Schema[] = [];
  for (const [name, { shape, description, isRequired }] of Object.entries(fields)) {
    properties[name] = { ...schemaOf(shape, { side, isRequired }), description };
    if (shape.kind === "data") {
      properties[`b64${name}`] = { ...BASE64_SCHEMA, description: "the same in base64" };
      const either = [{ required: [name] }, { required: [`b64${name}`] }];
      alternatives.push(isRequired ? { oneOf: either } : { not: { required: [name, `b64${name}`] } });
    } else if (isRequired) required.push(name);
  }
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties,
    ...(alternatives.length === 0 ? {} : { allOf: alternatives }),
  };
}

interface SchemaPlace {
  readonly side: "request" | "result";
  readonly isRequired: boolean;
}

function schemaOf(shape: Shape, { side, isRequired }: SchemaPlace): Schema {
  const inner: SchemaPlace = { side, isRequired: false };
  switch (shape.kind) {
    case "text":
      return { type: "string", ...(isRequired && side === "request" ? { minLength: 1 } : {}) };
    case "count":
      return { type: "integer", minimum: 0, maximum: MAX_INTEGER };
    case "integer":
      return { type: "integer", minimum: -MAX_INTEGER, maximum: MAX_INTEGER };
    case "flag":
      return { type: "boolean" };
    case "data":
      return {};
    case "list":
      return {
        type: "array",
        items: schemaOf(shape.of, inner),
        ...(side === "request" ? { maxItems: MAX_LISTED, ...(isRequired ? { minItems: 1 } : {}) } : {}),
      };
    case "map":
      return { type: "object", additionalProperties: schemaOf(shape.of, inner) };
    case "object":
      return objectSchema(shape.fields, side);
    case "choice":
      return { ...objectSchema(shape.fields, side), minProperties: 1, maxProperties: 1 };
    case "publication":
      return ref("Publication");
    case "client":
      return ref("Client");
  }
}

/** @param isAlways whatever the mode, the error may come bare or in a reply. */
function failure(description: string, isAlways: boolean): Schema {
  return { description, content: json(isAlways ? { oneOf: [ref("Error"), ref("ErrorReply")] } : ref("Error")) };
}

function json(schema: Schema): Schema {
  return { "application/json": { schema } };
}

function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function response(name: string): Schema {
  return { $ref: `#/components/responses/${name}` };
}
