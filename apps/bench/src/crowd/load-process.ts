/** The clients of a crowd, all of them in one process, driven over IPC. */
import { Member } from "./member.ts";
import type { LoadOrder, LoadReport } from "./orders.ts";
import { Tally } from "./tally.ts";

const bigChannels = 10;
const smallChannelsEach = 9;
/** Subscribers of a small channel. */
const smallSize = 10;
const connectsInFlight = 64;
/** Each second. */
const bigPublications = 5;
const smallPublications = 50;
const drops = 20;
/** How long somebody whose line was cut is away at the most. */
const longestAwayMs = 2_000;
const missedInStorm = 10;

const tally = new Tally();
let members: Member[] = [];
let publisher: Member | undefined;
let smallChannels = 1;

function channelsOf(index: number): readonly string[] {
  const small = Array.from({ length: smallChannelsEach }, (_, each) => {
    return `small:${(index * smallChannelsEach + each * 7_919) % smallChannels}`;
  });
  return [`big:${index % bigChannels}`, ...new Set(small)];
}

async function connectAll(port: number, clients: number): Promise<void> {
  const url = `ws://127.0.0.1:${port}/connection/websocket`;
  smallChannels = Math.max(1, Math.ceil((clients * smallChannelsEach) / smallSize));
  members = Array.from({ length: clients }, (_, index) => new Member(url, channelsOf(index), tally));
  publisher = new Member(url, [], tally);
  await publisher.connect();
  const left = members.values();
  const some = async (): Promise<void> => {
    for (const member of left) await member.connect();
  };
  await Promise.all(Array.from({ length: connectsInFlight }, some));
}

/** Publications, and members whose lines are cut, evenly over each second. */
async function steady(seconds: number): Promise<void> {
  const away = new Set<Promise<void>>();
  const absent = new Set<Member>();
  for (let second = 0; second < seconds; second++) {
    const ends = performance.now() + 1_000;
    for (let each = 0; each < bigPublications; each++) publisher?.publish(`big:${below(bigChannels)}`);
    for (let each = 0; each < smallPublications; each++) publisher?.publish(`small:${below(smallChannels)}`);
    for (let each = 0; each < Math.min(drops, members.length / 10); each++) {
      const member = members[below(members.length)] as Member;
      if (absent.has(member)) continue;
      absent.add(member);
      const back = member.drop(Math.random() * longestAwayMs).then(() => {
        away.delete(back);
        absent.delete(member);
      });
      away.add(back);
    }
    await pause(Math.max(0, ends - performance.now()));
  }
  await Promise.all(away);
  // What was published last is on its way.
  await pause(1_000);
}

/** Every line is cut at once, something is published meanwhile, and all come back at once. */
async function storm(): Promise<void> {
  const back = members.map((member) => member.drop(500));
  for (let each = 0; each < missedInStorm; each++) {
    for (let channel = 0; channel < bigChannels; channel++) publisher?.publish(`big:${channel}`);
  }
  await Promise.all(back);
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}

async function obey(order: LoadOrder): Promise<LoadReport> {
  const began = performance.now();
  if (order.do === "stop") process.exit(0);
  if (order.do === "connect") await connectAll(order.port, order.clients);
  if (order.do === "steady") await steady(order.seconds);
  if (order.do === "storm") await storm();
  if (order.do === "return") await Promise.all([...members, publisher as Member].map((member) => member.returned()));
  return tally.report((performance.now() - began) / 1_000);
}

process.on("message", (order: LoadOrder) => {
  obey(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
