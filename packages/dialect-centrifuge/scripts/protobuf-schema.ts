import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import protobuf from "protobufjs";

/** Where the schema comes from, and where it goes. */
export const PROTO_FILE: URL = new URL("../client.proto", import.meta.url);
export const SCHEMA_FILE: URL = new URL("../src/generated/protobuf-schema.ts", import.meta.url);

/** The module that holds `client.proto` in the form the Protobuf runtime takes without a parser. */
export function renderSchema(proto: string): string {
  const { root } = protobuf.parse(proto, { keepCase: true });
  return `// Generated from client.proto by scripts/protobuf-schema.ts. Do not edit: a test compares the two.
export const SCHEMA: { readonly nested: Record<string, object> } = ${JSON.stringify(root.toJSON())};
`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(SCHEMA_FILE, renderSchema(readFileSync(PROTO_FILE, "utf8")));
}
