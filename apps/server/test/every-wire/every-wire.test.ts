import { silentLogger } from "@polywire/core";
import { expect, test, vi } from "vitest";
import { type ListenScheme, listenAddress } from "../../src/config/address.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startServer } from "../../src/server.ts";
import { Member, type Ports, type Room, ways } from "./members.ts";

vi.setConfig({ testTimeout: 300_000 });

const CHANNEL = "chat:everybody";
/** Publications of one member that are under way at once. */
const WINDOW = 16;

/** The server as the command starts it, at free ports, on every wire. */
async function serve(data: "json" | "binary" = "json"): Promise<{ readonly ports: Ports } & AsyncDisposable> {
  const { config } = loadConfig(undefined, {});
  const schemes: readonly ListenScheme[] = ["http", "tcp", "udp", "grpc"];
  const server = await startServer(
    {
      ...config,
      listen: schemes.map((scheme) => ({ ...listenAddress("127.0.0.1", 0, scheme), pong: true })),
      internal: [],
      // Its members are programs in a hurry.
      limits: { ...config.limits, commandsPerSecond: 1_000_000, publishesPerSecond: 1_000_000 },
      channels: [
        {
          match: "chat:*",
          kind: "public",
          publish: "subscribers",
          data,
          history: { size: 20_000, ttlMs: 600_000 },
          recovery: true,
          positioning: false,
          overflow: "disconnect",
          compaction: false,
          tagsFilter: false,
          presence: false,
          joinLeave: false,
          read: "subscribers",
        },
      ],
    },
    { logger: silentLogger },
  );
  return {
    ports: (scheme) => server.listen.find((address) => address.scheme === scheme)?.port ?? 0,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function joinAll(stack: AsyncDisposableStack, ports: Ports, data: Room["data"] = "json"): Promise<Member[]> {
  const members: Member[] = [];
  for (const way of ways) members.push(stack.use(await Member.join(way, ports, { channel: CHANNEL, data })));
  return members;
}

function offsetsOf(member: Member): number[] {
  return member.heard.map(({ offset }) => offset);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

test("a client on each wire publishes 1,000 messages: everybody gets all of them, in order, none twice", async () => {
  await using server = await serve();
  await using stack = new AsyncDisposableStack();
  const members = await joinAll(stack, server.ports);
  const each = 1_000;
  const total = members.length * each;

  await Promise.all(
    members.map(async (member) => {
      let number = 0;
      const publishOn = async (): Promise<void> => {
        while (number < each) await member.publish({ from: member.way.name, number: number++ });
      };
      await Promise.all(Array.from({ length: WINDOW }, publishOn));
    }),
  );
  await Promise.all(members.map((member) => member.until(total)));

  const [first] = members;
  for (const member of members) {
    const { name } = member.way;
    expect({ name, offsets: offsetsOf(member) }).toEqual({ name, offsets: range(1, total) });
    expect({ name, heard: member.heard }).toEqual({ name, heard: first?.heard });
    const numbers = first?.heard.filter(({ said }) => said.from === name).map(({ said }) => said.number);
    expect({ name, numbers: numbers?.toSorted((one, other) => one - other) }).toEqual({
      name,
      numbers: range(0, each - 1),
    });
  }
});

test("bytes that are no text reach everybody, on each wire and in both encodings", async () => {
  await using server = await serve("binary");
  await using stack = new AsyncDisposableStack();
  const members = await joinAll(stack, server.ports, "binary");
  const speakers = members.filter(({ way }) => way.encoding.name === "Protobuf");
  const each = 200;
  for (const speaker of speakers) {
    const numbers = range(0, each - 1);
    await Promise.all(numbers.map((number) => speaker.publish({ from: speaker.way.name, number })));
  }
  const total = speakers.length * each;
  await Promise.all(members.map((member) => member.until(total)));

  const [first] = members;
  for (const member of members) {
    const { name } = member.way;
    expect({ name, offsets: offsetsOf(member) }).toEqual({ name, offsets: range(1, total) });
    expect({ name, heard: member.heard }).toEqual({ name, heard: first?.heard });
  }
});

test("clients that lose their links 20 times each end with all 10,000 messages, in order, once", async () => {
  await using server = await serve();
  await using stack = new AsyncDisposableStack();
  const [speaker, ...listeners] = await joinAll(stack, server.ports);
  if (speaker === undefined) throw new Error("nobody joined");
  const total = 10_000;
  const mostMissed = 250;
  const cuts = 20;
  const random = seeded(7);
  const due = new Map(listeners.map((member) => [member, momentsFor(cuts, total, random)] as const));

  for (let number = 0; number < total; ) {
    const batch = Math.min(WINDOW, total - number);
    await Promise.all(
      range(number, number + batch - 1).map((each) => speaker.publish({ from: "speaker", number: each })),
    );
    number += batch;
    for (const [member, moments] of due) {
      if (moments[0] === undefined || moments[0] > number) continue;
      moments.shift();
      member.cut();
    }
    // Whoever misses more than a recovery holds is told so, and that is another test's business.
    await Promise.all(listeners.map((member) => member.until(number - mostMissed)));
  }
  await Promise.all(listeners.map((member) => member.until(total)));

  for (const member of listeners) {
    const { recoveries, failures, way } = member;
    const expected = { name: way.name, offsets: range(1, total), failures: 0 };
    expect({ name: way.name, offsets: offsetsOf(member), failures }).toEqual(expected);
    expect(recoveries).toBeGreaterThan(cuts / 2);
  }
});

/** Moments of a run at which something happens, spread by chance. */
function momentsFor(count: number, total: number, random: () => number): number[] {
  const span = total / count;
  return Array.from({ length: count }, (_, index) => Math.floor((index + random()) * span));
}

/** The same numbers in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
