import assert from "node:assert/strict";
import type { ClientInfo, LocalDelivery, PolywireError, Publication } from "@polywire/core";
import type {
  Broker,
  BrokerEvents,
  ControlCommand,
  Done,
  Draft,
  Published,
  StreamOptions,
  StreamPage,
  StreamRead,
} from "../src/index.ts";

/** A broker to be held to the laws. */
export interface BrokerBench extends AsyncDisposable {
  readonly broker: Broker;
  /** Lets everything happen that is on its way. */
  settle(): Promise<void>;
  /** Lets time pass for the broker. */
  wait(milliseconds: number): Promise<void>;
}

export interface BrokerLaw {
  readonly name: string;
  hold(trial: BrokerTrial): Promise<void>;
}

const NOBODY: LocalDelivery = { matched: 0, queued: 0, dropped: 0 };
const LOCAL: LocalDelivery = { matched: 3, queued: 2, dropped: 1 };
const CHANNEL = "news";
const SECOND_MS = 1_000;

/** How late an expiry may be. */
const LATE_MS = 1_000;

const stream: StreamOptions = { size: 10, ttlMs: 60 * SECOND_MS, metaTtlMs: 600 * SECOND_MS, maxBytes: 1_000_000 };

const fromStart: StreamRead = {
  limit: 100,
  maxBytes: 1_000_000,
  sinceOffset: undefined,
  isReverse: false,
  metaTtlMs: stream.metaTtlMs,
};

/** A process on a broker: what it is told and answered, in order, and what it calls. */
export class BrokerTrial {
  readonly bench: BrokerBench;
  readonly log: string[] = [];
  readonly publications: { channel: string; publication: Publication; epoch: string | undefined }[] = [];
  readonly commands: ControlCommand[] = [];
  onPublication: (text: string) => void = () => {};

  constructor(bench: BrokerBench) {
    this.bench = bench;
    const events: BrokerEvents = {
      publication: (channel, publication, epoch) => {
        this.publications.push({ channel, publication, epoch });
        const text = new TextDecoder().decode(publication.data);
        this.log.push(`told ${channel} ${text}`);
        this.onPublication(text);
        return LOCAL;
      },
      membership: (channel, kind, info) => void this.log.push(`told ${channel} ${kind} ${info.client}`),
      control: (command) => {
        this.commands.push(command);
        this.log.push(`told ${command.kind}`);
      },
    };
    bench.broker.start(events);
  }

  /** The answer to one call, which may not come before the call has returned, and only once. */
  async answer<Result>(call: (done: Done<Result>) => void): Promise<{ error?: PolywireError; result?: Result }> {
    const answers: { error?: PolywireError; result?: Result }[] = [];
    let hasReturned = false;
    call((error, result) => {
      assert.ok(hasReturned, "answered before the call returned");
      assert.ok(error === undefined || result === undefined, "answered with both an error and a result");
      answers.push({ ...(error === undefined ? {} : { error }), ...(result === undefined ? {} : { result }) });
    });
    const { length } = this.log;
    hasReturned = true;
    assert.equal(this.log.length, length);
    await this.bench.settle();
    assert.equal(answers.length, 1, "answered not exactly once");
    return answers[0] as { error?: PolywireError; result?: Result };
  }

  async result<Result>(call: (done: Done<Result>) => void): Promise<Result> {
    const { error, result } = await this.answer(call);
    if (error !== undefined) throw error;
    return result as Result;
  }

  subscribe(channel: string = CHANNEL): Promise<undefined> {
    return this.result<undefined>((done) => this.bench.broker.streams.subscribe(channel, done));
  }

  unsubscribe(channel: string = CHANNEL): Promise<undefined> {
    return this.result<undefined>((done) => this.bench.broker.streams.unsubscribe(channel, done));
  }

  publish(
    text: string,
    options: Partial<Draft> & { readonly stream?: StreamOptions | undefined } = {},
  ): Promise<Published> {
    const { stream: kept, ...rest } = { stream, ...options };
    return this.result<Published>((done) => this.bench.broker.streams.publish(CHANNEL, draft(text, rest), kept, done));
  }

  history(request: Partial<StreamRead> = {}, channel: string = CHANNEL): Promise<StreamPage> {
    return this.result<StreamPage>((done) =>
      this.bench.broker.streams.history(channel, { ...fromStart, ...request }, done),
    );
  }

  async offsets(request: Partial<StreamRead> = {}): Promise<(number | undefined)[]> {
    return (await this.history(request)).publications.map(({ offset }) => offset);
  }

  put(info: ClientInfo, ttlMs: number): Promise<undefined> {
    return this.result<undefined>((done) => this.bench.broker.presence.put(CHANNEL, info, ttlMs, done));
  }

  async clients(): Promise<string[]> {
    const members = await this.result<readonly ClientInfo[]>((done) =>
      this.bench.broker.presence.members(CHANNEL, done),
    );
    return members.map(({ client }) => client).sort();
  }
}

function draft(text: string, options: Partial<Draft> = {}): Draft {
  return { data: new TextEncoder().encode(text), format: "text", ...options };
}

/** What the contract of brokers promises. Any test runner can hold any broker to it: one fresh broker for each law. */
export const brokerLaws: readonly BrokerLaw[] = [
  {
    name: "offsets count from 1, one by one, in the epoch of the stream",
    async hold(trial) {
      const first = await trial.publish("a");
      const epoch = first.position?.epoch;
      assert.match(epoch ?? "", /^\S+$/);
      assert.deepEqual(first.position, { offset: 1, epoch });
      assert.deepEqual((await trial.publish("b")).position, { offset: 2, epoch });
      assert.deepEqual((await trial.history({ limit: 0 })).position, { offset: 2, epoch });
      assert.deepEqual((await trial.history({ limit: 0 })).publications, []);
    },
  },
  {
    name: "a process is told from its subscribe on until its unsubscribe, and of no other channel",
    async hold(trial) {
      await trial.publish("before");
      await trial.subscribe();
      await trial.publish("during");
      await trial.result((done) => trial.bench.broker.streams.publish("other", draft("elsewhere"), stream, done));
      await trial.unsubscribe();
      await trial.publish("after");
      assert.deepEqual(trial.log, ["told news during"]);
      assert.deepEqual(
        trial.publications.map(({ publication, epoch }) => [publication.offset, typeof epoch]),
        [[2, "string"]],
      );
    },
  },
  {
    name: "a publish is answered after this process was told, with what it did",
    async hold(trial) {
      assert.deepEqual((await trial.publish("unheard")).local, NOBODY);
      await trial.subscribe();
      let local: LocalDelivery | undefined;
      trial.bench.broker.streams.publish(CHANNEL, draft("heard"), stream, (_error, published) => {
        trial.log.push("answered");
        local = published?.local;
      });
      assert.deepEqual(trial.log, []);
      await trial.bench.settle();
      assert.deepEqual(trial.log, ["told news heard", "answered"]);
      assert.deepEqual(local, LOCAL);
    },
  },
  {
    name: "publications come in the order of their offsets, each once",
    async hold(trial) {
      await trial.subscribe();
      for (let count = 1; count <= 500; count++) {
        trial.bench.broker.streams.publish(CHANNEL, draft(String(count)), stream, () => {});
      }
      await trial.bench.settle();
      const numbers = Array.from({ length: 500 }, (_, index) => index + 1);
      assert.deepEqual(
        trial.publications.map(({ publication }) => publication.offset),
        numbers,
      );
      assert.deepEqual(
        trial.log,
        numbers.map((count) => `told news ${count}`),
      );
    },
  },
  {
    name: "what is published while being told comes afterwards",
    async hold(trial) {
      await trial.subscribe();
      trial.onPublication = (text) => {
        if (text.length > 2) return;
        trial.bench.broker.streams.publish(CHANNEL, draft(`${text}+`), stream, () =>
          trial.log.push(`answered ${text}+`),
        );
        trial.log.push(`returned ${text}+`);
      };
      await trial.publish("a");
      const of = (text: string): string[] => [`told news ${text}`, `returned ${text}+`];
      const expected = [...of("a"), ...of("a+"), "told news a++", "answered a+", "answered a++"];
      const log = trial.log.filter((line) => !line.startsWith("answered"));
      assert.deepEqual(
        log,
        expected.filter((line) => !line.startsWith("answered")),
      );
      assert.ok(trial.log.indexOf("answered a+") > trial.log.indexOf("told news a+"));
      assert.ok(trial.log.indexOf("answered a++") > trial.log.indexOf("told news a++"));
    },
  },
  {
    name: "without a stream a publication is only told",
    async hold(trial) {
      await trial.subscribe();
      await trial.publish("kept");
      const { position } = await trial.publish("told only", { stream: undefined });
      assert.equal(position, undefined);
      assert.equal(trial.publications[1]?.publication.offset, undefined);
      assert.equal(trial.publications[1]?.epoch, undefined);
      assert.deepEqual(await trial.offsets(), [1]);
    },
  },
  {
    name: "a publication is kept and told with everything it had",
    async hold(trial) {
      await trial.subscribe();
      const info: ClientInfo = {
        client: "c1",
        user: "ann",
        connectionInfo: Uint8Array.of(1),
        channelInfo: Uint8Array.of(2),
      };
      const tags = new Map([
        ["kind", "joke"],
        ["__proto__", "x"],
      ]);
      const given = { data: Uint8Array.of(0, 255, 10), format: "binary", info, tags, time: 1_800_000_000_000 } as const;
      await trial.publish("", given);
      const told = trial.publications[0]?.publication;
      const kept = (await trial.history()).publications[0];
      for (const one of [told, kept]) {
        assert.deepEqual(
          { ...one, data: [...(one?.data ?? [])], info: plain(one?.info) },
          {
            ...given,
            data: [0, 255, 10],
            info: plain(info),
            offset: 1,
          },
        );
      }
    },
  },
  {
    name: "history is read forward and backward, and through pages visits each publication once",
    async hold(trial) {
      for (let count = 1; count <= 7; count++) await trial.publish(String(count));
      assert.deepEqual(await trial.offsets(), [1, 2, 3, 4, 5, 6, 7]);
      assert.deepEqual(await trial.offsets({ isReverse: true }), [7, 6, 5, 4, 3, 2, 1]);
      assert.deepEqual(await trial.offsets({ sinceOffset: 5 }), [6, 7]);
      assert.deepEqual(await trial.offsets({ sinceOffset: 3, isReverse: true }), [2, 1]);
      assert.deepEqual(await trial.offsets({ sinceOffset: 7 }), []);
      assert.deepEqual(await trial.offsets({ sinceOffset: 99 }), []);
      for (const isReverse of [false, true]) {
        const seen: (number | undefined)[] = [];
        for (let sinceOffset: number | undefined; ; ) {
          const page = await trial.offsets({ limit: 3, isReverse, sinceOffset });
          if (page.length === 0) break;
          seen.push(...page);
          sinceOffset = page.at(-1);
        }
        assert.deepEqual(seen, isReverse ? [7, 6, 5, 4, 3, 2, 1] : [1, 2, 3, 4, 5, 6, 7]);
      }
    },
  },
  {
    name: "a page stops before its data exceed the limit, but has at least one publication",
    async hold(trial) {
      for (const text of ["aaaa", "bbbb", "cccc"]) await trial.publish(text);
      assert.deepEqual(await trial.offsets({ maxBytes: 8 }), [1, 2]);
      assert.deepEqual(await trial.offsets({ maxBytes: 7 }), [1]);
      assert.deepEqual(await trial.offsets({ maxBytes: 1 }), [1]);
    },
  },
  {
    name: "a stream is trimmed to its size and keeps counting",
    async hold(trial) {
      for (let count = 1; count <= 14; count++) await trial.publish(String(count));
      const { publications, position } = await trial.history();
      assert.deepEqual(
        publications.map(({ offset }) => offset),
        [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
      );
      assert.equal(position.offset, 14);
      assert.deepEqual(await trial.offsets({ sinceOffset: 2, limit: 2 }), [5, 6]);
    },
  },
  {
    name: "a stream keeps no more than its bytes",
    async hold(trial) {
      const narrow = { ...stream, maxBytes: 100_000 };
      for (let count = 1; count <= 5; count++) await trial.publish("x".repeat(45_000), { stream: narrow });
      assert.deepEqual(await trial.offsets(), [4, 5]);
      await trial.publish("x".repeat(200_000), { stream: narrow });
      const { publications, position } = await trial.history();
      assert.deepEqual([publications.length, position.offset], [0, 6]);
    },
  },
  {
    name: "publications go after their time, top and epoch stay",
    async hold(trial) {
      await trial.publish("a");
      await trial.bench.wait(stream.ttlMs - LATE_MS);
      const { position } = await trial.publish("b");
      await trial.bench.wait(stream.ttlMs - LATE_MS);
      assert.deepEqual(await trial.offsets(), [1, 2]);
      await trial.bench.wait(2 * LATE_MS);
      assert.deepEqual(await trial.history(), { publications: [], position });
      assert.deepEqual((await trial.publish("c")).position, { offset: 3, epoch: position?.epoch });
    },
  },
  {
    name: "a stream that is not used vanishes after its time, and a new one has a new epoch",
    async hold(trial) {
      const { position } = await trial.publish("a");
      await trial.bench.wait(stream.metaTtlMs - LATE_MS);
      assert.deepEqual((await trial.history()).position, position);
      await trial.bench.wait(stream.metaTtlMs - LATE_MS);
      assert.deepEqual((await trial.history({ limit: 0 })).position, position);
      await trial.bench.wait(stream.metaTtlMs + LATE_MS);
      const fresh = await trial.history();
      assert.equal(fresh.position.offset, 0);
      assert.notEqual(fresh.position.epoch, position?.epoch);
      assert.deepEqual((await trial.publish("b")).position, { offset: 1, epoch: fresh.position.epoch });
    },
  },
  {
    name: "reading a stream that is not there makes it, with an epoch that stays",
    async hold(trial) {
      const { position, publications } = await trial.history({ limit: 0 });
      assert.deepEqual([position.offset, publications.length], [0, 0]);
      assert.deepEqual((await trial.publish("a")).position, { offset: 1, epoch: position.epoch });
      assert.notEqual((await trial.history({}, "other")).position.epoch, position.epoch);
    },
  },
  {
    name: "removing the history leaves top and epoch",
    async hold(trial) {
      await trial.publish("a");
      const { position } = await trial.publish("b");
      await trial.result((done) => trial.bench.broker.streams.removeHistory(CHANNEL, done));
      assert.deepEqual(await trial.history(), { publications: [], position });
      await trial.publish("c");
      assert.deepEqual(await trial.offsets(), [3]);
      await trial.result((done) => trial.bench.broker.streams.removeHistory("never used", done));
    },
  },
  {
    name: "a second publish with the same key has the first one's position and is not told",
    async hold(trial) {
      await trial.subscribe();
      const first = await trial.publish("once", { idempotencyKey: "k" });
      assert.deepEqual((await trial.publish("twice", { idempotencyKey: "k" })).position, first.position);
      assert.equal((await trial.publish("other key", { idempotencyKey: "l" })).position?.offset, 2);
      await trial.result((done) =>
        trial.bench.broker.streams.publish("other", draft("other channel", { idempotencyKey: "k" }), stream, done),
      );
      assert.deepEqual(await trial.offsets({}), [1, 2]);
      assert.deepEqual((await trial.history({}, "other")).position.offset, 1);
      assert.deepEqual(trial.log, ["told news once", "told news other key"]);
      await trial.bench.wait(300 * SECOND_MS + LATE_MS);
      assert.equal((await trial.publish("much later", { idempotencyKey: "k" })).position?.offset, 3);
    },
  },
  {
    name: "a version of the same epoch that is not above the last one is neither kept nor told",
    async hold(trial) {
      await trial.subscribe();
      const offsetOf = async (text: string, number: number, epoch = ""): Promise<number | undefined> =>
        (await trial.publish(text, { version: { number, epoch } })).position?.offset;
      assert.equal(await offsetOf("first", 2), 1);
      assert.equal(await offsetOf("again", 2), 1);
      assert.equal(await offsetOf("older", 1), 1);
      assert.equal(await offsetOf("newer", 3), 2);
      assert.equal(await offsetOf("begun anew", 1, "e"), 3);
      assert.equal(await offsetOf("older in any epoch", 1), 3);
      assert.deepEqual(trial.log, ["told news first", "told news newer", "told news begun anew"]);
      assert.deepEqual(await trial.offsets({}), [1, 2, 3]);
    },
  },
  {
    name: "joins and leaves are told in order, and keep nothing",
    async hold(trial) {
      const { membership } = trial.bench.broker.streams;
      const info: ClientInfo = { client: "c1", user: "" };
      await trial.result((done) => membership(CHANNEL, "join", info, done));
      await trial.subscribe();
      membership(CHANNEL, "join", info, () => {});
      membership(CHANNEL, "leave", info, () => {});
      membership(CHANNEL, "join", { client: "c2", user: "" }, () => {});
      membership("other", "join", info, () => {});
      await trial.bench.settle();
      assert.deepEqual(trial.log, ["told news join c1", "told news leave c1", "told news join c2"]);
      assert.equal((await trial.history()).position.offset, 0);
    },
  },
  {
    name: "presence is who was put and not removed, users counted once",
    async hold(trial) {
      const { presence } = trial.bench.broker;
      await trial.put({ client: "c1", user: "ann" }, 60 * SECOND_MS);
      await trial.put({ client: "c2", user: "ann" }, 60 * SECOND_MS);
      await trial.put({ client: "c3", user: "" }, 60 * SECOND_MS);
      await trial.put({ client: "c1", user: "ann", channelInfo: Uint8Array.of(49) }, 60 * SECOND_MS);
      assert.deepEqual(await trial.clients(), ["c1", "c2", "c3"]);
      assert.deepEqual(await trial.result((done) => presence.stats(CHANNEL, done)), { clients: 3, users: 2 });
      await trial.result((done) => presence.remove(CHANNEL, "c2", done));
      await trial.result((done) => presence.remove(CHANNEL, "nobody", done));
      assert.deepEqual(await trial.clients(), ["c1", "c3"]);
      assert.deepEqual(await trial.result((done) => presence.stats("other", done)), { clients: 0, users: 0 });
    },
  },
  {
    name: "calls of presence take effect in the order they were made",
    async hold(trial) {
      const { presence } = trial.bench.broker;
      const info: ClientInfo = { client: "c1", user: "" };
      for (let count = 0; count < 20; count++) {
        presence.put(CHANNEL, info, 60 * SECOND_MS, () => {});
        presence.remove(CHANNEL, "c1", () => {});
      }
      assert.deepEqual(await trial.clients(), []);
      presence.remove(CHANNEL, "c1", () => {});
      presence.put(CHANNEL, info, 60 * SECOND_MS, () => {});
      assert.deepEqual(await trial.clients(), ["c1"]);
    },
  },
  {
    name: "presence ends with its lease unless it is renewed",
    async hold(trial) {
      await trial.put({ client: "c1", user: "" }, 10 * SECOND_MS);
      await trial.put({ client: "c2", user: "" }, 10 * SECOND_MS);
      await trial.bench.wait(9 * SECOND_MS);
      assert.deepEqual(await trial.clients(), ["c1", "c2"]);
      await trial.put({ client: "c2", user: "" }, 10 * SECOND_MS);
      await trial.bench.wait(1 * SECOND_MS + LATE_MS);
      assert.deepEqual(await trial.clients(), ["c2"]);
      await trial.bench.wait(9 * SECOND_MS + LATE_MS);
      assert.deepEqual(await trial.clients(), []);
    },
  },
  {
    name: "orders reach this process too, whole and in order",
    async hold(trial) {
      const { control } = trial.bench.broker;
      const commands: ControlCommand[] = [
        { kind: "disconnect", user: "ann", disconnect: { code: 3503, reason: "force disconnect" }, except: ["c1"] },
        { kind: "subscribe", client: "c1", channel: "news", since: { offset: 3, epoch: "abc" } },
        {
          kind: "unsubscribe",
          user: "",
          channel: undefined,
          unsubscribe: { code: 2000, reason: "server unsubscribe" },
        },
        { kind: "message", user: "ann", data: Uint8Array.of(123, 125), format: "json" },
      ];
      for (const command of commands) await trial.result((done) => control.send(command, done));
      assert.equal(trial.commands.length, commands.length);
      for (const [index, command] of commands.entries()) assert.deepEqual({ ...trial.commands[index] }, { ...command });
    },
  },
  {
    name: "what is asked of a closed broker is answered with an error, and nothing is told any more",
    async hold(trial) {
      const { broker } = trial.bench;
      await trial.subscribe();
      let late: PolywireError | undefined;
      broker.streams.publish(CHANNEL, draft("late"), stream, (error) => {
        late = error;
      });
      const closed = broker.close();
      await trial.bench.settle();
      await closed;
      const isTold = trial.log.length === 1;
      assert.equal(late === undefined, isTold, "told without an answer, or answered without being told");
      const { error } = await trial.answer<Published>((done) =>
        broker.streams.publish(CHANNEL, draft("too late"), stream, done),
      );
      assert.equal(error?.code, "closed");
      const { error: unread } = await trial.answer<StreamPage>((done) =>
        broker.streams.history(CHANNEL, fromStart, done),
      );
      assert.equal(unread?.code, "closed");
      assert.equal(trial.log.length, isTold ? 1 : 0);
    },
  },
];

/** Bytes as lists, so that two kinds of arrays compare equal. */
function plain(info: ClientInfo | undefined): unknown {
  if (info === undefined) return undefined;
  const { client, user, connectionInfo = [], channelInfo = [] } = info;
  return { client, user, connectionInfo: [...connectionInfo], channelInfo: [...channelInfo] };
}
