import { join } from "node:path";
import type { DialectName } from "../load/protocol.ts";

/** A server to measure: a file that runs as a process of its own, and the language it speaks. */
export interface ServerDefinition {
  /** As typed after `--servers`. */
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly dialect: DialectName;
}

function define(name: string, title: string, dialect: DialectName): ServerDefinition {
  return { name, title, dialect, file: join(import.meta.dirname, `${name}.ts`) };
}

export const servers: readonly ServerDefinition[] = [
  define("polywire", "Polywire", "centrifuge"),
  define("plain-ws", "plain ws", "plain"),
  define("socket-io", "Socket.IO", "socket.io"),
];
