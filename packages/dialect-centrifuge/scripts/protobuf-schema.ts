import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import protobuf from "protobufjs";

/** A schema, and the module that holds it in the form the Protobuf runtime takes without a parser. */
export interface SchemaFile {
  readonly proto: URL;
  readonly module: URL;
  /** What the module calls it. */
  readonly constant: string;
}

const fileOf = (proto: string, module: string, constant: string): SchemaFile => ({
  proto: new URL(`../${proto}`, import.meta.url),
  module: new URL(`../src/generated/${module}`, import.meta.url),
  constant,
});

/** What clients and the server say to each other. */
export const CLIENT_SCHEMA: SchemaFile = fileOf("client.proto", "protobuf-schema.ts", "SCHEMA");

/** The server API. */
export const API_SCHEMA: SchemaFile = fileOf("api.proto", "api-schema.ts", "API_SCHEMA");

/** The text of the module. */
export function renderSchema({ proto, constant }: SchemaFile): string {
  const { root } = protobuf.parse(readFileSync(proto, "utf8"), { keepCase: true });
  const name = proto.pathname.slice(proto.pathname.lastIndexOf("/") + 1);
  return `// Generated from ${name} by scripts/protobuf-schema.ts. Do not edit: a test compares the two.
export const ${constant}: { readonly nested: Record<string, object> } = ${JSON.stringify(root.toJSON())};
`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const file of [CLIENT_SCHEMA, API_SCHEMA]) writeFileSync(file.module, renderSchema(file));
}
