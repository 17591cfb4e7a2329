import { expect, test } from "vitest";
import { type Interceptor, Network, type Payload, PolywireError } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { echo, turns } from "./opened-network.ts";

async function echoing(interceptors: readonly Interceptor[]) {
  const network = new Network({ protocols: [memory()], interceptors });
  const errors: PolywireError[] = [];
  network.on("error", (error) => void errors.push(error));
  await network.listen("memory://echo", echo);
  const connection = await network.connect("memory://echo");
  const heard: Payload[] = [];
  connection.on("data", (payload) => void heard.push(typeof payload === "string" ? payload : new Uint8Array(payload)));
  return { network, connection, heard, errors, [Symbol.asyncDispose]: () => network.close() };
}

/** An interceptor that marks what passes it. */
function marking(mark: string): Interceptor {
  return {
    send: (next) => (payload, connection) => next(`${mark}(${String(payload)})`, connection),
    receive: (next) => (payload, connection) => next(`${mark}[${String(payload)}]`, connection),
  };
}

test("messages pass the interceptors in order: the first is the outermost on both ways", async () => {
  await using world = await echoing([marking("a"), marking("b")]);
  expect(world.connection.send("x")).toBe("sent");
  await turns();
  expect(world.heard).toEqual(["b[a[b(a(x))]]"]);
});

test("an interceptor may answer itself: nothing of it reaches the wire", async () => {
  await using world = await echoing([
    { send: (next) => (payload, connection) => (payload === "secret" ? "refused" : next(payload, connection)) },
    { receive: (next) => (payload, connection) => void (payload !== "noise" && next(payload, connection)) },
  ]);
  expect(["secret", "noise", "news"].map((text) => world.connection.send(text))).toEqual(["refused", "sent", "sent"]);
  await turns();
  expect(world.heard).toEqual(["news"]);
  expect(world.connection.messagesIn).toBe(2);
});

test("asynchronous steps keep the order, and a copy of what was lent", async () => {
  const releases: (() => void)[] = [];
  const wait = (): Promise<void> =>
    new Promise((resolve) => {
      releases.push(resolve);
    });
  await using world = await echoing([
    {
      asynchronous: ["send", "receive"],
      send: (next) => async (payload, connection) => {
        await wait();
        return next(payload, connection);
      },
      receive: (next) => async (payload, connection) => {
        await wait();
        return next(payload, connection);
      },
    },
  ]);
  const bytes = new Uint8Array([1]);
  expect(world.connection.send(bytes)).toBe("sent");
  bytes[0] = 9;
  expect(world.connection.send("two")).toBe("sent");
  expect(world.connection.bufferedBytes).toBe(3);
  for (let round = 0; round < 10; round++) {
    for (const release of releases.splice(0)) release();
    await turns();
  }
  expect(world.heard).toEqual([new Uint8Array([1]), "two"]);
});

test("a promise that was not announced is an error, for its message would overtake others", async () => {
  await using world = await echoing([{ send: (next) => async (payload, connection) => next(payload, connection) }]);
  expect(() => world.connection.send("x")).toThrow(
    'an interceptor of send returned a promise: name "send" in its "asynchronous" list',
  );
});

test("what an interceptor throws is the sender's, or is reported, and the connection lives on", async () => {
  await using world = await echoing([
    {
      send: (next) => (payload, connection) => {
        if (payload === "bad") throw new Error("will not send that");
        return next(payload, connection);
      },
      receive: (next) => (payload, connection) => {
        if (payload === "worse") throw new Error("will not hear that");
        return next(payload, connection);
      },
    },
  ]);
  expect(() => world.connection.send("bad")).toThrow("will not send that");
  world.connection.send("worse");
  world.connection.send("good");
  await turns();
  expect(world.heard).toEqual(["good"]);
  expect(world.errors.map(({ message }) => message)).toEqual(["an interceptor of receive threw: will not hear that"]);
});

test("dials pass them too: metadata is added, and a refusal is the dial's error", async () => {
  const seen: unknown[] = [];
  const network = new Network({
    protocols: [memory()],
    interceptors: [
      {
        dial: (next) => async (call) => {
          call.metadata.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
          const link = await next(call);
          seen.push(call.endpoint, link.traits.kind);
          return link;
        },
      },
      {
        dial: (next) => (call) => {
          if (call.endpoint === "memory://forbidden") throw new PolywireError("permission-denied", "not this one");
          return next(call);
        },
      },
    ],
  });
  await network.listen("memory://traced", {
    admit: ({ headers }) => {
      seen.push(headers?.get("traceparent")?.slice(0, 2));
      return { accepted: true };
    },
    link: echo,
  });
  await network.connect("memory://traced");
  expect(seen).toEqual(["00", "memory://traced", "message"]);
  await expect(network.connect("memory://forbidden")).rejects.toMatchObject({ code: "permission-denied" });
  await network.close();
});

test("requests pass them: one that retries, and one that adds a header", async () => {
  let served = 0;
  const tries: string[] = [];
  const network = new Network({
    protocols: [memory()],
    interceptors: [
      {
        exchange: (next) => async (call) => {
          for (;;) {
            const response = await next(call);
            tries.push(`${call.protocol} ${response.status}`);
            if (response.status !== 503) return response;
          }
        },
      },
      {
        exchange: (next) => (call) => {
          const headers = new Map(call.request.headers).set("x-mark", "1");
          return next({ ...call, request: { ...call.request, headers } });
        },
      },
    ],
  });
  await network.listen("memory://api", {
    exchange: (exchange) => {
      const isMarked = exchange.headers.get("x-mark") === "1";
      exchange.respond({ status: ++served < 3 ? 503 : isMarked ? 200 : 400 });
    },
  });
  const exchanger = await network.open("memory://api");
  expect((await exchanger.request({ method: "GET" })).status).toBe(200);
  expect(tries).toEqual(["memory 503", "memory 503", "memory 200"]);
  await network.close();
});

test("what arrives passes them too: links and requests, the first outermost, and one may answer itself", async () => {
  const seen: string[] = [];
  const around = (name: string): Interceptor => ({
    accept: (next, host) => (link, place) => {
      seen.push(`${name} link ${place.endpoint} ${typeof host.clock.now()}`);
      return next(link, place);
    },
    serve: (next) => async (exchange, place) => {
      seen.push(`${name} ${exchange.method} ${place.protocol}`);
      if (exchange.path === "/closed") exchange.respond({ status: 403 });
      else await next(exchange, place);
      seen.push(`${name} done`);
    },
  });
  const network = new Network({ protocols: [memory()], interceptors: [around("a"), around("b")] });
  await network.listen("memory://both", { link: echo, exchange: (exchange) => exchange.respond({ status: 204 }) });
  await network.connect("memory://both");
  expect(seen.splice(0)).toEqual(["a link memory://both number", "b link memory://both number"]);
  const exchanger = await network.open("memory://both");
  expect((await exchanger.request({ method: "GET" })).status).toBe(204);
  expect(seen.splice(0)).toEqual(["a GET memory", "b GET memory", "b done", "a done"]);
  expect((await exchanger.request({ method: "GET", path: "/closed" })).status).toBe(403);
  expect(seen.splice(0)).toEqual(["a GET memory", "a done"]);
  await network.close();
});

test("what an interceptor of arrivals throws is reported, and the peer is answered", async () => {
  const interceptor: Interceptor = {
    accept: () => () => {
      throw new Error("no links today");
    },
    serve: () => () => Promise.reject(new Error("no requests today")),
  };
  const network = new Network({ protocols: [memory()], interceptors: [interceptor] });
  const errors: string[] = [];
  network.on("error", ({ message }) => void errors.push(message));
  await network.listen("memory://both", { link: echo, exchange: (exchange) => exchange.respond({ status: 204 }) });
  const connection = await network.connect("memory://both", { reconnect: false });
  const closed = new Promise((resolve) => void connection.on("close", resolve));
  await closed;
  const exchanger = await network.open("memory://both");
  expect((await exchanger.request({ method: "GET" })).status).toBe(500);
  expect(errors).toEqual([
    'the handler of "memory://both" threw: no links today',
    'the handler of "/" threw: no requests today',
  ]);
  await network.close();
});

test("headers that an interceptor keeps are at the peer of the link, besides those of the handler", async () => {
  const seen: unknown[] = [];
  const interceptor: Interceptor = {
    keepHeaders: ["x-trace"],
    accept: (next) => (link, place) => {
      seen.push([...(link.peer.headers ?? [])]);
      return next(link, place);
    },
  };
  const network = new Network({ protocols: [memory()], interceptors: [interceptor] });
  const admit = (): { accepted: true; keepHeaders: string[] } => ({ accepted: true, keepHeaders: ["x-name"] });
  await network.listen("memory://sync", { admit, link: echo });
  await network.listen("memory://async", { admit: async () => admit(), link: echo });
  await network.listen("memory://nobody-asked", echo);
  const metadata = new Map([
    ["x-trace", "7"],
    ["x-name", "ada"],
    ["x-other", "gone"],
  ]);
  for (const url of ["memory://sync", "memory://async", "memory://nobody-asked"] as const) {
    await network.connect(url, { metadata });
  }
  const both = [
    ["x-name", "ada"],
    ["x-trace", "7"],
  ];
  expect(seen).toEqual([both, both, [["x-trace", "7"]]]);
  await network.close();
});
