import { getEventListeners } from "node:events";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { EventStream, type EventStreamOptions } from "../src/connection/event-stream.ts";
import { Events, type StateChange } from "../src/index.ts";
import { echo, openNetwork, turns } from "./opened-network.ts";

interface Said {
  word: string;
}

/** Words that are said by hand. */
function speaking(options?: EventStreamOptions) {
  const events = new Events<Said>(() => expect.unreachable());
  let over: () => void = () => {};
  let isForgotten = false;
  const whenOver = (callback: () => void): (() => void) => {
    over = callback;
    return () => {
      isForgotten = true;
    };
  };
  const stream = EventStream.of({ events, whenOver }, "word", options);
  return {
    stream,
    say: (...words: string[]) => {
      for (const word of words) events.emit("word", word);
    },
    over: () => over(),
    isSubscribed: () => events.has("word") || !isForgotten,
  };
}

async function heardFrom(stream: AsyncIterable<string>): Promise<string[]> {
  const heard: string[] = [];
  for await (const word of stream) heard.push(word);
  return heard;
}

test("the states of a connection, from the call to its end", async () => {
  await using watched = openNetwork();
  await watched.network.listen("memory://echo", echo);
  const connection = watched.network.connection("memory://echo");
  const states = connection.events("state");
  await connection.ready();
  await connection.close();
  const heard: StateChange[] = [];
  for await (const change of states) heard.push(change);
  expect(heard.map(({ from, to }) => `${from} > ${to}`)).toEqual([
    "idle > connecting",
    "connecting > ready",
    "ready > draining",
    "draining > closed",
  ]);
});

test("the end itself is an event, and nothing comes of a connection that is over", async () => {
  await using watched = openNetwork();
  await watched.network.listen("memory://echo", echo);
  const connection = await watched.network.connect("memory://echo");
  const ends = connection.events("close");
  await connection.close();
  expect(await ends.next()).toMatchObject({ done: false, value: { by: "local" } });
  expect(await ends.next()).toEqual({ done: true, value: undefined });
  expect(await connection.events("close").next()).toEqual({ done: true, value: undefined });
});

test("messages have an adapter of their own", async () => {
  await using watched = openNetwork();
  const connection = watched.network.connection("memory://echo");
  expect(() => connection.events("data" as never)).toThrow('events("data"): use messages(connection)');
});

test("the events of a network end with it", async () => {
  const watched = openNetwork();
  await watched.network.listen("memory://echo", echo);
  const closed = watched.network.events("close");
  await watched.network.connect("memory://echo");
  await watched.network.close();
  const directions: string[] = [];
  for await (const { direction } of closed) directions.push(direction);
  expect(directions.toSorted()).toEqual(["accepted", "dialled"]);
  expect(await watched.network.events("state").next()).toEqual({ done: true, value: undefined });
});

test("who is ahead waits for the next; who is behind gets what waits first", async () => {
  const { stream, say, over } = speaking();
  const heard = heardFrom(stream);
  say("a");
  await turns(1);
  say("b", "c");
  over();
  say("too late");
  expect(await heard).toEqual(["a", "b", "c"]);
});

test("at the limit the oldest give way, and are counted", async () => {
  const { stream, say, over } = speaking({ maxWaiting: 2 });
  say("a", "b", "c", "d");
  over();
  expect(stream.dropped).toBe(2);
  expect(await heardFrom(stream)).toEqual(["c", "d"]);
});

test("or the iteration ends with an overflow, after what waits", async () => {
  const { stream, say, isSubscribed } = speaking({ maxWaiting: 2, policy: "fail" });
  say("a", "b", "c", "d");
  expect(isSubscribed()).toBe(false);
  const heard: string[] = [];
  const end = (async () => {
    for await (const word of stream) heard.push(word);
  })();
  await expect(end).rejects.toMatchObject({
    code: "overflow",
    message: "2 events wait already: read faster, or raise maxWaiting",
  });
  expect(heard).toEqual(["a", "b"]);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

test("leaving the loop unsubscribes", async () => {
  const { stream, say, isSubscribed } = speaking();
  say("a", "b");
  for await (const word of stream) {
    expect(word).toBe("a");
    break;
  }
  expect(isSubscribed()).toBe(false);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

test("so does the end of a block", async () => {
  const { stream, isSubscribed } = speaking();
  {
    await using held = stream;
    void held;
  }
  expect(isSubscribed()).toBe(false);
});

test("a signal ends it at once: who waits hears of it, and what waited is forgotten", async () => {
  const stop = new AbortController();
  const waiting = speaking({ signal: stop.signal });
  const behind = speaking({ signal: stop.signal });
  behind.say("never read");
  const next = waiting.stream.next();
  stop.abort("enough");
  await expect(next).rejects.toMatchObject({ code: "aborted", cause: "enough" });
  await expect(behind.stream.next()).rejects.toMatchObject({ code: "aborted" });
  expect(await behind.stream.next()).toEqual({ done: true, value: undefined });
  expect([waiting.isSubscribed(), behind.isSubscribed()]).toEqual([false, false]);
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);

  const late = speaking({ signal: stop.signal });
  expect(late.isSubscribed()).toBe(false);
  await expect(late.stream.next()).rejects.toMatchObject({ code: "aborted" });
});

test("nothing stays behind at the signal of a stream that has ended", () => {
  const { signal } = new AbortController();
  const { over } = speaking({ signal });
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  over();
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test.each([
  [{ maxWaiting: 0 }, "maxWaiting is 0"],
  [{ policy: "drop-newest" }, 'policy is "drop-newest"'],
  [{ limit: 3 }, 'unknown option "limit"'],
])("an option that is wrong is named: %o", (options, message) => {
  expect(() => speaking(options as EventStreamOptions)).toThrow(message);
});

test("whatever is said and read in whatever order: the newest are read in order, the others are counted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.constantFrom("say", "say", "next"), { maxLength: 200 }),
      async (maxWaiting, steps) => {
        const { stream, say, over } = speaking({ maxWaiting });
        const waiting: string[] = [];
        const expected: string[] = [];
        let takers = 0;
        let dropped = 0;
        const results: Promise<IteratorResult<string, undefined>>[] = [];
        for (const [index, step] of steps.entries()) {
          if (step === "next") {
            results.push(stream.next());
            const oldest = waiting.shift();
            if (oldest === undefined) takers++;
            else expected.push(oldest);
            continue;
          }
          say(String(index));
          if (takers > 0) {
            takers--;
            expected.push(String(index));
          } else if (waiting.push(String(index)) > maxWaiting) {
            waiting.shift();
            dropped++;
          }
        }
        over();
        const settled = await Promise.all(results);
        expect(settled.filter(({ done }) => done === true)).toHaveLength(takers);
        expect(settled.flatMap(({ done, value }) => (done === true ? [] : [value]))).toEqual(expected);
        expect(await heardFrom(stream)).toEqual(waiting);
        expect(stream.dropped).toBe(dropped);
      },
    ),
  );
});
