import type { Socket } from "node:net";
import { type Clock, type Logger, systemClock } from "@polywire/core";
import type { NodeServer } from "./client-wires.ts";

/** Full is told when it begins and then no more often than this. */
const REFUSAL_LOG_MS = 10_000;

/**
 * How many sockets some servers may hold together, whatever they speak: TLS and WebSockets take none of their own. Without it the process would run out of open files, and Node closes
 * what it cannot open without any event. Who comes too late is closed at once, counted, and told in the log.
 */
export class SocketBudget {
  readonly limit: number;
  readonly #name: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #open = 0;
  #refused = 0;
  #nextLogMs = Number.NEGATIVE_INFINITY;

  constructor(name: string, limit: number, { logger, clock = systemClock }: { logger: Logger; clock?: Clock }) {
    this.#name = name;
    this.limit = limit;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** For people and programs. */
  inspect(): { readonly limit: number; readonly open: number; readonly refused: number } {
    return { limit: this.limit, open: this.#open, refused: this.#refused };
  }

  /** Counts the server's sockets from here on. */
  watch(server: NodeServer): void {
    server.prependListener("connection", (socket) => {
      if (this.#open >= this.limit) {
        this.#refuse(socket);
        return;
      }
      this.#open += 1;
      socket.once("close", () => {
        this.#open -= 1;
      });
    });
  }

  #refuse(socket: Socket): void {
    socket.destroy();
    this.#refused += 1;
    if (this.#clock.now() < this.#nextLogMs) return;
    this.#nextLogMs = this.#clock.now() + REFUSAL_LOG_MS;
    const { limit } = this;
    this.#logger.log("warn", "server", "sockets refused: too many", {
      sockets: this.#name,
      limit,
      refused: this.#refused,
    });
  }
}
