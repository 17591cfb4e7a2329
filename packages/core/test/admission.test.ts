import { expect, test } from "vitest";
import type { Admission, Handler, ListenOptions, Peer } from "../src/index.ts";
import { echo, openNetwork } from "./opened-network.ts";

const HOST = "chat.example";

/** How a page of this origin, or a program without one, fares at such a listener. */
async function knock(origin: string | undefined, handler: Handler, options: ListenOptions = {}): Promise<string> {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://door", handler, options);
  const metadata = new Map([["host", HOST], ...(origin === undefined ? [] : [["origin", origin] as const])]);
  const dial = network.connect("memory://door", { metadata });
  return await dial.then(
    () => "in",
    ({ message }: Error) => /status (?<status>\d+)/.exec(message)?.groups?.status ?? message,
  );
}

const accept = (): Admission => ({ accepted: true });
const refuse = (): Admission => ({ accepted: false, status: 401, reason: "no" });
const foreign = "https://evil.example";

test.each<[string, string | undefined, Partial<Handler>, ListenOptions, string]>([
  ["a program, where nobody checks", undefined, {}, {}, "in"],
  ["a page of the same host, where nobody checks", `http://${HOST}`, {}, {}, "in"],
  ["a foreign page, where nobody checks", foreign, {}, {}, "403"],
  ["a sandboxed page, where nobody checks", "null", {}, {}, "403"],
  ["a listed page", "https://friend.example", {}, { origins: ["https://Friend.example:443/"] }, "in"],
  ["a page that is not listed", foreign, {}, { origins: ["https://friend.example"] }, "403"],
  [
    "a page with another scheme than listed",
    "http://friend.example",
    {},
    { origins: ["https://friend.example"] },
    "403",
  ],
  ["a foreign page, where the program checks alone", foreign, { admit: accept }, {}, "in"],
  ["a foreign page, where both judge", foreign, { admit: accept }, { origins: [] }, "403"],
  ["a listed page that the program refuses", foreign, { admit: refuse }, { origins: [foreign] }, "401"],
])("%s: %s", async (_who, origin, handler, options, expected) => {
  expect(await knock(origin, { link: echo, ...handler }, options)).toBe(expected);
});

test("the program is not asked about a page that its list refuses", async () => {
  const asked: Peer[] = [];
  const admit = (peer: Peer): Admission => {
    asked.push(peer);
    return { accepted: true };
  };
  await knock(foreign, { link: echo, admit }, { origins: [] });
  expect(asked).toEqual([]);
});

test("a check may use its handler as this", async () => {
  class Door implements Handler {
    readonly isOpen = true;
    link = echo;

    admit(): Admission {
      return this.isOpen ? { accepted: true } : { accepted: false, status: 403, reason: "closed" };
    }
  }
  expect(await knock(undefined, new Door())).toBe("in");
});

test.each([["friend.example"], ["ftp://friend.example"], ["*"], [""], [undefined]])(
  "the origin %s is refused by name",
  async (origin) => {
    await using watched = openNetwork();
    const listening = watched.network.listen("memory://door", echo, { origins: [origin as string] });
    await expect(listening).rejects.toMatchObject({
      code: "invalid-argument",
      message: `option origins: "${String(origin)}" is none: write it like https://example.com`,
    });
  },
);

test("a foreign page's request is answered with 403", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  await network.listen("memory://api", { exchange: (exchange) => exchange.respond({ status: 200 }) });
  const exchanger = await network.open("memory://api");
  const headers = new Map([
    ["Host", HOST],
    ["Origin", foreign],
  ]);
  const response = await exchanger.request({ method: "GET", headers });
  expect(response.status).toBe(403);
  await response.body.bytes();
});

test("a handler learns the place of each link", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const places: unknown[] = [];
  await network
    .listen("memory://door:0/in", {
      link(link, { id, protocol, endpoint }) {
        places.push({ id, protocol, path: endpoint.path });
        echo(link);
      },
    })
    .then(({ endpoint }) => network.connect(endpoint.href));
  const [, accepted] = network.inspect().connections;
  expect(places).toEqual([{ id: accepted?.id, protocol: "memory", path: "/in" }]);
});
