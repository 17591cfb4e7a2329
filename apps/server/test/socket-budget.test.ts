import { EventEmitter } from "node:events";
import { type LogFields, type Logger } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { SocketBudget } from "../src/socket-budget.ts";

class FakeSocket extends EventEmitter {
  isDestroyed = false;

  destroy(): void {
    this.isDestroyed = true;
    this.emit("close");
  }
}

test("F16: sockets beyond the limit are closed, counted and logged once in a while; a freed place can be taken", () => {
  const logged: LogFields[] = [];
  const logger: Logger = { log: (_level, _component, _message, fields) => void logged.push(fields ?? {}) };
  const clock = new ManualClock();
  const sockets = new SocketBudget("public", 1, { logger, clock });
  const server = new EventEmitter();
  sockets.watch(server as never);
  const arrive = (): FakeSocket => {
    const socket = new FakeSocket();
    server.emit("connection", socket);
    return socket;
  };

  const holder = arrive();
  expect([holder.isDestroyed, arrive().isDestroyed, arrive().isDestroyed]).toEqual([false, true, true]);
  expect(logged).toEqual([{ sockets: "public", limit: 1, refused: 1 }]);
  clock.advance(10_000);
  arrive();
  expect(logged).toHaveLength(2);

  holder.destroy();
  expect(arrive().isDestroyed).toBe(false);
  expect(sockets.inspect()).toEqual({ limit: 1, open: 1, refused: 3 });
});
