import { once } from "node:events";
import { expect } from "vitest";
import { LimitedServer, standingClock } from "./limited-server.ts";
import type { LineClient, Message } from "./line-client.ts";

/** Limits of what clients say and are told. */
export const clientTrials: ReadonlyMap<string, () => Promise<void>> = new Map([
  [
    "limits.messageBytes",
    async () => {
      await using server = await LimitedServer.with("limits.messageBytes", "1KiB");
      const client = await server.connected();
      await client.publish("a", 1_000);
      expect(await client.errorOf({ publish: { channel: "a", data: "x".repeat(1_100) } })).toBe(107);
    },
  ],
  [
    "limits.queueBytes",
    async () => {
      await using server = await LimitedServer.with("limits.queueBytes", "1MiB");
      (await server.subscriber("a")).stall();
      expect(await fillUntil(server, ["a"], "slowConsumers")).toBe(1);
      expect((await server.stats())["budgetCuts"]).toBe(0);
    },
  ],
  [
    "limits.totalQueueBytes",
    async () => {
      await using server = await LimitedServer.with("limits.totalQueueBytes", "4MiB");
      const channels = ["a", "b", "c", "d"];
      for (const channel of channels) (await server.subscriber(channel)).stall();
      expect(await fillUntil(server, channels, "budgetCuts")).toBeGreaterThan(0);
    },
  ],
  [
    "limits.commandsPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.commandsPerSecond", 5, { clock: standingClock() });
      const client = await server.connected();
      const errors = [];
      for (let count = 0; count < 11; count++) errors.push(client.errorOf({ presence: { channel: "a" } }));
      expect(await Promise.all(errors)).toEqual([...Array<number>(10).fill(108), 111]);
    },
  ],
  [
    "limits.publishesPerSecond",
    async () => {
      await using server = await LimitedServer.with("limits.publishesPerSecond", 1, { clock: standingClock() });
      const client = await server.connected();
      const errors = [];
      for (let count = 0; count < 3; count++) errors.push(client.errorOf({ publish: { channel: "a", data: 1 } }));
      expect(await Promise.all(errors)).toEqual([undefined, undefined, 111]);
      expect(await client.errorOf({ presence: { channel: "a" } })).toBe(108);
    },
  ],
  [
    "limits.commandsPerFrame",
    async () => {
      await using server = await LimitedServer.with("limits.commandsPerFrame", 2);
      const socket = new WebSocket(`ws://127.0.0.1:${server.webPort}/connection/websocket`);
      await once(socket, "open");
      const commands = [1, 2, 3].map((id) =>
        JSON.stringify(id === 1 ? { id, connect: {} } : { id, presence: { channel: "a" } }),
      );
      socket.send(commands.join("\n"));
      const [close] = (await once(socket, "close")) as [CloseEvent];
      expect(close.code).toBe(3501);
    },
  ],
  [
    "limits.badCommands",
    async () => {
      await using server = await LimitedServer.with("limits.badCommands", 2);
      const client = await server.connected();
      const tooLong = { subscribe: { channel: "x".repeat(300) } };
      expect(await client.errorOf(tooLong)).toBe(107);
      client.say({ id: 99, ...tooLong });
      expect(await client.end()).toBe(3509);
    },
  ],
  [
    "limits.channelsPerClient",
    async () => {
      await using server = await LimitedServer.with("limits.channelsPerClient", 1);
      expect(await (await server.subscriber("a")).errorOf({ subscribe: { channel: "b" } })).toBe(106);
    },
  ],
  [
    "limits.channelNameBytes",
    async () => {
      await using server = await LimitedServer.with("limits.channelNameBytes", 5);
      expect(await (await server.subscriber("12345")).errorOf({ subscribe: { channel: "123456" } })).toBe(107);
    },
  ],
  [
    "limits.subscribersPerChannel",
    async () => {
      await using server = await LimitedServer.with("limits.subscribersPerChannel", 1);
      await server.subscriber("a");
      expect(await (await server.subscriber("b")).errorOf({ subscribe: { channel: "a" } })).toBe(106);
    },
  ],
  [
    "limits.historyBytesPerChannel",
    async () => {
      await using server = await LimitedServer.with("limits.historyBytesPerChannel", "2KiB");
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1_000);
      await client.publish("kept:b", 1_000);
      expect([await keptIn(client, "kept:a"), await keptIn(client, "kept:b")]).toEqual([1, 1]);
    },
  ],
  [
    "limits.totalHistoryBytes",
    async () => {
      await using server = await LimitedServer.with("limits.totalHistoryBytes", "2KiB");
      const client = await server.connected();
      for (const channel of ["kept:a", "kept:b"]) await client.publish(channel, 1_000);
      expect([await keptIn(client, "kept:a"), await keptIn(client, "kept:b")]).toEqual([0, 1]);
    },
  ],
  [
    "limits.historyPageSize",
    async () => {
      await using server = await LimitedServer.with("limits.historyPageSize", 2);
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1);
      expect(await keptIn(client, "kept:a")).toBe(2);
    },
  ],
  [
    "limits.recoverySize",
    async () => {
      await using server = await LimitedServer.with("limits.recoverySize", 2);
      const client = await server.connected();
      for (let count = 0; count < 3; count++) await client.publish("kept:a", 1);
      const { history } = await client.ask({ history: { channel: "kept:a", limit: 0 } });
      const { epoch } = history as { readonly epoch: string };
      const recovered = async (offset: number): Promise<unknown> => {
        const reply = await (await server.connected()).ask({
          subscribe: { channel: "kept:a", recover: true, offset, epoch },
        });
        return (reply["subscribe"] as { readonly recovered?: boolean }).recovered;
      };
      expect([await recovered(0), await recovered(1)]).toEqual([undefined, true]);
    },
  ],
  [
    "limits.presenceMembers",
    async () => {
      await using server = await LimitedServer.with("limits.presenceMembers", 1);
      await server.subscriber("room");
      const { presence } = await (await server.subscriber("room")).ask({ presence: { channel: "room" } });
      expect(Object.keys((presence as { readonly presence: object }).presence)).toHaveLength(1);
    },
  ],
  [
    "limits.joinLeaveMembers",
    async () => {
      await using server = await LimitedServer.with("limits.joinLeaveMembers", 2);
      const first = await server.subscriber("room");
      const isJoin = ({ push }: Message): boolean => push !== undefined && "join" in push;
      let joins = 0;
      for (let count = 0; count < 3; count++) await server.subscriber("room");
      expect(await first.errorOf({ presence: { channel: "none" } })).toBe(108);
      await first.first((message) => {
        if (isJoin(message)) joins++;
        return message.error?.code === 108;
      });
      // Its own, and that of the second.
      expect(joins).toBe(2);
    },
  ],
  [
    "channels[].maxSubscribers",
    async () => {
      await using server = await LimitedServer.with("limits.clients", 10_000);
      await server.subscriber("small");
      await server.subscriber("large");
      await server.subscriber("large");
      expect(await (await server.connected()).errorOf({ subscribe: { channel: "small" } })).toBe(106);
    },
  ],
  [
    "client.connectTimeout",
    async () => {
      await using server = await LimitedServer.with("client.connectTimeout", "100ms");
      expect(await server.client().end()).toBe(3502);
    },
  ],
  [
    "client.pingInterval",
    async () => {
      await using server = await LimitedServer.with("client.pingInterval", "1s", { more: ", pongTimeout: 100ms" });
      expect(await (await server.connected()).end()).toBe(3012);
    },
  ],
]);

/** Fills the queues of clients that read nothing until the server has cut some. */
async function fillUntil(server: LimitedServer, channels: readonly string[], counter: string): Promise<number> {
  const publisher = await server.connected();
  for (let round = 0; round < 60; round++) {
    for (const channel of channels) await publisher.publish(channel, 250_000);
    const count = (await server.stats())[counter] ?? 0;
    if (count > 0) return count;
  }
  return 0;
}

async function keptIn(client: LineClient, channel: string): Promise<number> {
  const { history } = await client.ask({ history: { channel, limit: -1 } });
  return (history as { readonly publications?: readonly unknown[] }).publications?.length ?? 0;
}
