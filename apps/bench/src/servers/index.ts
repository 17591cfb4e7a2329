import type { DialectName } from "../load/protocol.ts";

/** A server to measure: a file that runs as a process of its own, and the language it speaks. */
export interface ServerDefinition {
  /** As typed after `--servers`. */
  readonly name: string;
  readonly title: string;
  /** Its URL. */
  readonly file: string;
  readonly dialect: DialectName;
}

export const servers: readonly ServerDefinition[] = [
  { name: "polywire", title: "Polywire", dialect: "centrifuge", file: import.meta.resolve("./polywire.ts") },
  { name: "plain-ws", title: "plain ws", dialect: "plain", file: import.meta.resolve("./plain-ws.ts") },
  { name: "socket-io", title: "Socket.IO", dialect: "socket.io", file: import.meta.resolve("./socket-io.ts") },
];
