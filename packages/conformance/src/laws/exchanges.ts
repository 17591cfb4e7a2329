import assert from "node:assert/strict";
import { type Exchange, type Exchanger, PolywireError, type Request } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import type { ListenSettings, World } from "../world.ts";
import { bytesOf } from "./arrival.ts";
import { rejection } from "./dialing.ts";

const MIB = 1_048_576;
const decoder = new TextDecoder();

/** A request gets its own response, whole or not at all. */
export const exchangeLaws: readonly LawDefinition[] = [
  {
    name: "a request arrives as it was made, and so does its response",
    about: "exchanges",
    async run(world) {
      const seen: Exchange[] = [];
      const exchanger = await served(world, async (exchange) => {
        seen.push(exchange);
        const body = await exchange.body.bytes();
        exchange.respond({ status: 201, headers: new Map([["x-answer", "yes"]]) }, `got ${body.byteLength}`);
      });
      const named = naming(world, "POST", "/some/path?a=1&b=2");
      const response = await exchanger.request({
        ...named,
        headers: new Map([["x-question", "why"]]),
        body: "question",
      });
      assert.equal(response.status, 201, "status");
      assert.equal(response.headers.get("x-answer"), "yes", "a header of the response");
      assert.equal(decoder.decode(await response.body.bytes()), "got 8", "the body of the response");
      const [exchange] = seen;
      assert.equal(exchange?.method, named.method.split("?", 1)[0], "method");
      assert.equal(exchange?.path, "/some/path", "path");
      assert.equal(exchange?.query, "a=1&b=2", "query");
      assert.equal(exchange?.headers.get("x-question"), "why", "a header of the request");
      assert.equal(typeof exchange?.peer.secure, "boolean", "peer.secure");
    },
  },
  {
    name: "bodies of every size arrive intact, whole or in chunks, both ways",
    about: "exchanges",
    deadlineMs: 10_000,
    async run(world) {
      const exchanger = await served(world, async (exchange) => {
        const body = await exchange.body.bytes();
        exchange.respond({ status: 200 }, exchange.path === "/chunks" ? chunked(body) : body);
      });
      for (const size of [0, 1, 1_000, 65_536, MIB]) {
        const sent = bytesOf(size, size);
        for (const [path, body] of [
          ["/whole", sent],
          ["/chunks", chunked(sent)],
        ] as const) {
          const response = await exchanger.request({ ...naming(world, "POST", path), body });
          const echoed = await response.body.bytes();
          assert.ok(Buffer.from(echoed).equals(sent), `${path}: ${size} bytes came back as ${echoed.byteLength}`);
        }
      }
      const empty = await exchanger.request(naming(world, "GET", "/whole"));
      assert.equal((await empty.body.bytes()).byteLength, 0, "an empty body");
    },
  },
  {
    name: "the sender of a body may reuse its memory as soon as request or respond returns",
    about: "exchanges",
    async run(world) {
      const exchanger = await served(world, async (exchange) => {
        const body = new Uint8Array(await exchange.body.bytes());
        exchange.respond({ status: 200 }, body);
        body.fill(0xdb);
      });
      const body = bytesOf(1, 1_000);
      const asked = exchanger.request({ ...naming(world, "POST"), body });
      body.fill(0xdb);
      const response = await asked;
      assert.deepEqual(new Uint8Array(await response.body.bytes()), bytesOf(1, 1_000), "the body that came back");
    },
  },
  {
    name: "a body over the reader's limit rejects as too large, and the request is answered all the same",
    about: "exchanges",
    async run(world) {
      const codes: string[] = [];
      const exchanger = await served(world, async (exchange) => {
        const tooLarge: unknown = await exchange.body.bytes(10).catch((thrown: unknown) => thrown);
        codes.push(PolywireError.is(tooLarge) ? tooLarge.code : "none");
        exchange.respond({ status: 413 }, "x".repeat(11));
      });
      const response = await exchanger.request({ ...naming(world, "POST"), body: "y".repeat(11) });
      assert.equal(response.status, 413, "status");
      const thrown = await rejection(world, response.body.bytes(10), "reading a body over the limit");
      assert.ok(PolywireError.is(thrown) && thrown.code === "too-large", `it threw ${String(thrown)}`);
      assert.deepEqual(codes, ["too-large"], "what reading a request over the limit rejects with");
    },
  },
  {
    name: "a body is read once",
    about: "exchanges",
    async run(world) {
      const exchanger = await served(world, (exchange) => exchange.respond({ status: 200 }, "once"));
      const response = await exchanger.request(naming(world, "GET"));
      await response.body.bytes();
      await assert.rejects(async () => response.body.bytes(), { code: "invalid-state" }, "reading a body again");
    },
  },
  {
    name: "an exchange is answered once, with a status",
    about: "exchanges",
    async run(world) {
      const codes: string[] = [];
      const attempt = (call: () => unknown): void => {
        try {
          call();
          codes.push("none");
        } catch (thrown) {
          codes.push(PolywireError.is(thrown) ? thrown.code : String(thrown));
        }
      };
      const exchanger = await served(world, (exchange) => {
        attempt(() => exchange.respond({ status: Number.NaN }));
        exchange.respond({ status: 200 }, "first");
        attempt(() => exchange.respond({ status: 200 }, "second"));
        attempt(() => exchange.stream({ status: 200 }));
      });
      const response = await exchanger.request(naming(world, "GET"));
      assert.equal(decoder.decode(await response.body.bytes()), "first", "the body");
      assert.deepEqual(codes, ["invalid-argument", "invalid-state", "invalid-state"], "what wrong answers throw");
    },
  },
  {
    name: "a request that is aborted rejects, and the serving side hears of it",
    about: "exchanges",
    async run(world) {
      const seen: Exchange[] = [];
      const exchanger = await served(world, (exchange) => void seen.push(exchange));
      const controller = new AbortController();
      const asked = exchanger.request(naming(world, "GET"), { signal: controller.signal });
      const rejected = rejection(world, asked, "the aborted request");
      await world.patience.until(() => seen.length > 0, "the request to arrive");
      controller.abort();
      const thrown = await rejected;
      assert.ok(PolywireError.is(thrown) && thrown.code === "aborted", `it threw ${String(thrown)}`);
      await world.patience.until(() => seen[0]?.signal.aborted === true, "the exchange's signal");
      const before = rejection(
        world,
        exchanger.request(naming(world, "GET"), { signal: AbortSignal.abort() }),
        "a request",
      );
      assert.ok(PolywireError.is(await before), "a request whose signal has fired before rejects");
      await world.patience.settle();
      assert.equal(seen.length, 1, "requests that arrived");
    },
  },
  {
    name: "a request that is not answered in time rejects as timed out",
    about: "exchanges",
    async run(world) {
      const seen: Exchange[] = [];
      const exchanger = await served(world, (exchange) => void seen.push(exchange));
      // Long enough for a handshake on a busy machine: what never arrived has no signal to fire.
      const asked = exchanger.request(naming(world, "GET"), { timeoutMs: 500 });
      const thrown = await rejection(world, asked, "the request");
      assert.ok(PolywireError.is(thrown) && thrown.code === "timed-out", `it threw ${String(thrown)}`);
      await world.patience.until(() => seen[0]?.signal.aborted === true, "the exchange's signal");
    },
  },
  {
    name: "a response that is given up half read tells the serving side",
    about: "exchanges",
    async run(world) {
      const seen: Exchange[] = [];
      const exchanger = await served(world, (exchange) => {
        seen.push(exchange);
        exchange.respond({ status: 200 }, endless());
      });
      const response = await exchanger.request(naming(world, "GET"));
      for await (const chunk of response.body) {
        assert.ok(chunk.byteLength > 0);
        break;
      }
      await world.patience.until(() => seen[0]?.signal.aborted === true, "the exchange's signal");
    },
  },
  {
    name: "reading a body slowly slows its sender down",
    about: "exchanges",
    async run(world) {
      let made = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const chunk of endless()) {
          made += chunk.byteLength;
          yield chunk;
        }
      }
      const exchanger = await served(world, (exchange) => exchange.respond({ status: 200 }, counted()));
      const controller = new AbortController();
      await exchanger.request(naming(world, "GET"), { signal: controller.signal });
      // Until nothing more is made: what lies between has filled up.
      for (let before = -1; made !== before; ) {
        before = made;
        await world.patience.settle(100);
        assert.ok(made < 64 * MIB, `${made} bytes were made for a reader that has read none`);
      }
      controller.abort();
    },
  },
  {
    name: "100 requests at once get their own responses",
    about: "exchanges",
    deadlineMs: 10_000,
    async run(world) {
      const exchanger = await served(world, async (exchange) => {
        await world.patience.settle(1);
        exchange.respond({ status: 200 }, `for ${exchange.path}`);
      });
      const paths = Array.from({ length: 100 }, (_, index) => `/${index}`);
      const bodies = paths.map(async (path) => {
        const response = await exchanger.request(naming(world, "GET", path));
        return decoder.decode(await response.body.bytes());
      });
      assert.deepEqual(
        await Promise.all(bodies),
        paths.map((path) => `for ${path}`),
        "bodies",
      );
    },
  },
  {
    name: "a peer that admission refuses is answered with the status, and not served",
    about: "exchanges",
    async run(world) {
      let served = 0;
      const listener = await world.serve(() => void served++, {
        admit: () => ({ accepted: false, status: 403, reason: "not you" }),
      });
      const exchanger = await world.openExchanger(listener.endpoint);
      const response = await exchanger.request(naming(world, "GET"));
      assert.equal(response.status, 403, "status");
      await response.body.bytes();
      assert.equal(served, 0, "exchanges served");
    },
  },
  {
    name: "where nobody serves, a request is refused",
    about: "exchanges",
    async run(world) {
      const listener = await world.serve(() => {});
      await listener.close();
      const asked = world.openExchanger(listener.endpoint).then((exchanger) => exchanger.request(naming(world, "GET")));
      const thrown = await rejection(world, asked, "the request");
      assert.ok(PolywireError.is(thrown) && thrown.code === "connection-refused", `it threw ${String(thrown)}`);
    },
  },
  {
    name: "a closed exchanger lets requests under way end and takes no more",
    about: "exchanges",
    async run(world) {
      const seen: Exchange[] = [];
      const exchanger = await served(world, (exchange) => void seen.push(exchange));
      const underWay = exchanger.request(naming(world, "GET"));
      await world.patience.until(() => seen.length > 0, "the request to arrive");
      const closed = exchanger.close();
      const thrown = await rejection(world, exchanger.request(naming(world, "GET")), "a request after close");
      assert.ok(PolywireError.is(thrown) && thrown.code === "closed", `it threw ${String(thrown)}`);
      seen[0]?.respond({ status: 200 }, "done");
      const response = await underWay;
      assert.equal(decoder.decode(await response.body.bytes()), "done", "the response under way");
      await world.patience.within(closed, "close()");
      await world.patience.within(exchanger.close(), "close() again");
      await world.patience.within(exchanger.closed, "closed");
    },
  },
];

/** What a request is for, in the wire's own words. Without a path it is for the endpoint's own, where the wire has that. */
export function naming({ subject }: World, method: string, path?: string): Pick<Request, "method" | "path"> {
  if (subject.naming !== undefined) return subject.naming(method, path ?? "/any");
  return path === undefined ? { method } : { method, path };
}

/** An exchanger towards a new listener. What the handler rejects with becomes the process's failure. */
export async function served(
  world: World,
  serve: (exchange: Exchange) => unknown,
  settings?: Pick<ListenSettings, "limits">,
): Promise<Exchanger> {
  const listener = await world.serve((exchange) => void serve(exchange), settings);
  return world.openExchanger(listener.endpoint);
}

async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += 10_000) yield bytes.subarray(offset, offset + 10_000);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  const chunk = bytesOf(1, 65_536);
  for (;;) yield chunk;
}
