import { cableTo } from "@polywire/conformance/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { canInstall, installGo, installPython, type Launch } from "./installation.ts";
import { type ClientSettings, SdkClient, type SdkEvent } from "./sdk-client.ts";
import { SdkServer } from "./sdk-server.ts";

/** The first time, everything is downloaded and compiled. */
const INSTALLATION_TIMEOUT_MS = 900_000;

const SDKS = [
  { sdk: "Python", install: installPython },
  { sdk: "Go", install: installGo },
].flatMap((sdk) => (["json", "protobuf"] as const).map((encoding) => ({ ...sdk, encoding })));

describe.skipIf(!canInstall).each(SDKS)("the official $sdk SDK in $encoding", ({ install, encoding }) => {
  let launch: Launch;

  beforeAll(async () => {
    launch = await install();
  }, INSTALLATION_TIMEOUT_MS);

  function start(settings: Omit<ClientSettings, "encoding">): SdkClient {
    return new SdkClient(launch, { ...settings, encoding });
  }

  /** A client that is connected as that user. */
  async function connect(server: SdkServer, user: string, port = server.port): Promise<SdkClient> {
    const client = start({ url: server.url(port), token: await server.token({ user, info: { name: user } }) });
    await client.do("connect");
    await client.next("connected");
    return client;
  }

  async function subscribe(client: SdkClient, channel: string, options: object = {}): Promise<void> {
    await client.do("subscribe", { channel, ...options });
    await client.next("subscribed");
  }

  const texts = (events: readonly SdkEvent[]): unknown[] => events.map(({ data }) => data);

  test("connects with the token that getToken gives, subscribes, publishes and hears itself as its token says", async () => {
    await using server = await SdkServer.start();
    await using client = start({
      url: server.url(),
      tokens: [await server.token({ user: "ada", info: { name: "Ada" } })],
    });
    await client.do("connect");
    await client.next("token");
    expect(await client.next("connected")).toMatchObject({ client: expect.stringMatching(/./) });
    await subscribe(client, "room:1");
    await client.do("publish", { channel: "room:1", data: { text: "hello, wörld 🌍" } });
    expect(await client.next("publication")).toMatchObject({
      channel: "room:1",
      data: { text: "hello, wörld 🌍" },
      offset: 1,
      from: { user: "ada", info: { name: "Ada" } },
    });
  });

  test("is ended for good with a bad token, and fetches another when its own has expired", async () => {
    await using server = await SdkServer.start();
    await using stranger = start({ url: server.url(), token: "garbage" });
    await stranger.do("connect");
    expect(await stranger.next("disconnected")).toMatchObject({ code: 3500, reason: "invalid token" });
    const stale = await server.token({ user: "ada", ttlMs: 1_000 });
    await server.clock.pass(2_000);
    await using client = start({ url: server.url(), token: stale, tokens: [await server.token({ user: "ada" })] });
    await client.do("connect");
    expect(await client.next("error")).toMatchObject({ code: 109 });
    await client.next("token");
    await client.next("connected");
  });

  test("refreshes its connection, and is there long after its first token was over", async () => {
    await using server = await SdkServer.start();
    const tokens = [await server.token({ user: "ada", ttlMs: 1_000 }), await server.token({ user: "ada" })];
    await using client = start({ url: server.url(), tokens });
    await client.do("connect");
    await client.next("connected");
    await client.take(2, "token");
    await server.refreshed(1);
    await server.clock.pass(20_000);
    await client.do("publish", { channel: "room:1", data: 1 });
    expect(client.left("connecting")).toHaveLength(1);
  });

  test("subscribes to a private channel with a token of its own, refreshes that, and is refused without", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    await client.do("subscribe", { channel: "team:blue" });
    expect(await client.next("unsubscribed")).toMatchObject({ code: 103, reason: "permission denied" });
    const tokenFor = (ttlMs: number): Promise<string> =>
      server.token({ user: "ada", channel: "team:red", ttlMs, data: { seat: 7 } });
    await client.do("subscribe", { channel: "team:red", tokens: [await tokenFor(1_000), await tokenFor(600_000)] });
    expect(await client.next("subscribed")).toMatchObject({ channel: "team:red", data: { seat: 7 } });
    await client.take(2, "token");
    await server.refreshed(1);
    await server.clock.pass(20_000);
    await client.do("publish", { channel: "team:red", data: "still here" });
    expect(await client.next("publication")).toMatchObject({ channel: "team:red", data: "still here" });
  });

  test("gets what it missed while its connection was cut, in order and once", async () => {
    await using server = await SdkServer.start();
    await using cable = await cableTo(() => server.port);
    await using ada = await connect(server, "ada", cable.port);
    await using bob = await connect(server, "bob");
    await ada.do("subscribe", { channel: "room:1" });
    expect(await ada.next("subscribed")).toMatchObject({ recoverable: true, wasRecovering: false, recovered: false });
    await bob.do("publish", { channel: "room:1", data: "before" });
    expect(texts(await ada.take(1, "publication"))).toEqual(["before"]);
    expect(await ada.take(1, "connecting")).toMatchObject([{ code: 0 }]);

    cable.cut();
    await ada.next("connecting");
    for (let index = 1; index <= 50; index++) await bob.do("publish", { channel: "room:1", data: `missed ${index}` });
    cable.mend();
    expect(await ada.next("subscribed")).toMatchObject({ wasRecovering: true, recovered: true });
    await bob.do("publish", { channel: "room:1", data: "after" });
    const missed = Array.from({ length: 50 }, (_, index) => `missed ${index + 1}`);
    const came = await ada.take(51, "publication");
    expect(texts(came)).toEqual([...missed, "after"]);
    expect(came.map(({ offset }) => offset)).toEqual(came.map((_, index) => index + 2));
    expect(ada.left("publication")).toEqual([]);
  });

  test("is told that it was not recovered when more was lost than is kept", async () => {
    await using server = await SdkServer.start();
    await using cable = await cableTo(() => server.port);
    await using ada = await connect(server, "ada", cable.port);
    await subscribe(ada, "room:1");
    await ada.next("connecting");
    await server.call("publish", { channel: "room:1", data: 0 });
    await ada.next("publication");
    cable.cut();
    await ada.next("connecting");
    for (let index = 0; index < 102; index++) await server.call("publish", { channel: "room:1", data: index });
    cable.mend();
    expect(await ada.next("subscribed")).toMatchObject({ wasRecovering: true, recovered: false });
  });

  test("begins where the state ends that it has from elsewhere, and fetches that anew when its position is lost", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    for (const data of [1, 2, 3]) await server.call("publish", { channel: "room:1", data });
    const { epoch } = (await server.call("history", { channel: "room:1" })) as { readonly epoch: string };
    const states = [
      { offset: 1, epoch: "another" },
      { offset: 2, epoch },
    ];
    await client.do("subscribe", { channel: "room:1", states });
    expect(await client.next("subscribed")).toMatchObject({ wasRecovering: true, recovered: true });
    expect(client.left("state")).toHaveLength(2);
    expect(await client.next("publication")).toMatchObject({ data: 3, offset: 3 });
    expect(client.left("subscription error")).toEqual([]);
  });

  test("gets the latest of what it missed, and no more, where a channel is a cache", async () => {
    await using server = await SdkServer.start();
    await using cable = await cableTo(() => server.port);
    await using client = await connect(server, "ada", cable.port);
    await client.next("connecting");
    await subscribe(client, "state:1");
    await server.call("publish", { channel: "state:1", data: 1 });
    expect(await client.next("publication")).toMatchObject({ data: 1 });
    cable.cut();
    await client.next("connecting");
    for (const data of [2, 3, 4]) await server.call("publish", { channel: "state:1", data });
    cable.mend();
    expect(await client.next("subscribed")).toMatchObject({ wasRecovering: true, recovered: true });
    await client.do("publish", { channel: "state:1", data: "next" });
    expect(texts(await client.take(2, "publication"))).toEqual([4, "next"]);
  });

  test("pages through the history, both ways", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    await subscribe(client, "room:1");
    for (let index = 1; index <= 5; index++) {
      await server.call("publish", { channel: "room:1", data: { index }, tags: { parity: String(index % 2) } });
    }
    const page = async (asked: object) =>
      (await client.do("history", { channel: "room:1", ...asked })) as {
        readonly offset: number;
        readonly epoch: string;
        readonly publications: readonly { readonly offset: number; readonly data: unknown; readonly tags: object }[];
      };
    const { offset, epoch, publications } = await page({ limit: 0 });
    expect([offset, publications]).toEqual([5, []]);
    const first = await page({ limit: 2, since: { offset: 0, epoch } });
    expect(first.publications).toMatchObject([
      { offset: 1, data: { index: 1 }, tags: { parity: "1" } },
      { offset: 2, data: { index: 2 }, tags: { parity: "0" } },
    ]);
    const rest = await page({ limit: 10, since: { offset: 2, epoch } });
    expect(rest.publications.map((publication) => publication.offset)).toEqual([3, 4, 5]);
    const back = await page({ limit: 2, reverse: true });
    expect(back.publications.map((publication) => publication.offset)).toEqual([5, 4]);
    await expect(page({ limit: 2, since: { offset: 2, epoch: "another" } })).rejects.toMatchObject({ code: 112 });
  });

  test("sees who is there, who comes and who goes", async () => {
    await using server = await SdkServer.start();
    await using ada = await connect(server, "ada");
    await using bob = await connect(server, "bob");
    await subscribe(ada, "room:1", { joinLeave: true });
    expect(await ada.next("join")).toMatchObject({ user: "ada" });
    await subscribe(bob, "room:1");
    expect(await ada.next("join")).toMatchObject({ channel: "room:1", user: "bob", info: { name: "bob" } });
    const members = Object.values((await ada.do("presence", { channel: "room:1" })) as object);
    expect(new Set(members)).toEqual(
      new Set([
        { user: "ada", info: { name: "ada" } },
        { user: "bob", info: { name: "bob" } },
      ]),
    );
    expect(await ada.do("presenceStats", { channel: "room:1" })).toEqual({ clients: 2, users: 2 });
    await bob.do("unsubscribe", { channel: "room:1" });
    expect(await ada.next("leave")).toMatchObject({ channel: "room:1", user: "bob" });
    await subscribe(bob, "room:2");
    await bob.do("disconnect");
    expect(await bob.next("disconnected")).toMatchObject({ code: 0 });
    expect(await ada.do("presenceStats", { channel: "room:1" })).toEqual({ clients: 1, users: 1 });
  });

  test("calls a method, and gets errors as errors", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    expect(await client.do("rpc", { method: "reverse", data: [1, 2, 3] })).toEqual({
      method: "reverse",
      user: "ada",
      reversed: [3, 2, 1],
    });
    await expect(client.do("rpc", { method: "absent", data: {} })).rejects.toMatchObject({
      code: 104,
      message: "method not found",
    });
    await expect(client.do("publish", { channel: "closed", data: 1 })).rejects.toMatchObject({ code: 103 });
    await expect(client.do("presence", { channel: "closed" })).rejects.toMatchObject({ code: 108 });
  });

  test("is subscribed by the server, recovers there too, and hears when that ends", async () => {
    await using server = await SdkServer.start();
    await using cable = await cableTo(() => server.port);
    await using client = start({
      url: server.url(cable.port),
      token: await server.token({ user: "ada", channels: ["room:1"] }),
    });
    await client.do("connect");
    expect(await client.next("server subscribed")).toMatchObject({ channel: "room:1", recoverable: true });
    await client.next("connecting");
    await server.call("publish", { channel: "room:1", data: 1 });
    expect(await client.next("server publication")).toMatchObject({ channel: "room:1", data: 1, offset: 1 });
    cable.cut();
    await client.next("connecting");
    for (const data of [2, 3, 4]) await server.call("publish", { channel: "room:1", data });
    cable.mend();
    expect(await client.next("server subscribed")).toMatchObject({ wasRecovering: true, recovered: true });
    expect(texts(await client.take(3, "server publication"))).toEqual([2, 3, 4]);
    await server.call("subscribe", { user: "ada", channel: "room:2" });
    expect(await client.next("server subscribed")).toMatchObject({ channel: "room:2" });
    await server.call("publish", { channel: "room:2", data: "extra" });
    expect(await client.next("server publication")).toMatchObject({ channel: "room:2", data: "extra" });
    await server.call("unsubscribe", { user: "ada", channel: "room:1" });
    expect(await client.next("server unsubscribed")).toMatchObject({ channel: "room:1" });
    await server.call("disconnect", { user: "ada" });
    expect(await client.next("disconnected")).toMatchObject({ code: 3503 });
  });

  test("puts publications together out of patches, after a recovery as well", async () => {
    await using server = await SdkServer.start();
    await using cable = await cableTo(() => server.port);
    await using client = await connect(server, "ada", cable.port);
    await subscribe(client, "patched:1", { delta: true });
    await client.next("connecting");
    const score = (points: number): object => ({ team: "Zürich 🏒", points, log: "the same in every one ".repeat(40) });
    const publish = (points: number): Promise<unknown> =>
      server.call("publish", { channel: "patched:1", data: score(points), delta: true });
    for (const points of [1, 2, 3]) await publish(points);
    expect(texts(await client.take(3, "publication"))).toEqual([1, 2, 3].map(score));
    await client.take(2, "patch");
    cable.cut();
    await client.next("connecting");
    for (const points of [4, 5]) await publish(points);
    cable.mend();
    expect(await client.next("subscribed")).toMatchObject({ wasRecovering: true, recovered: true });
    for (const points of [6, 7]) await publish(points);
    expect(texts(await client.take(4, "publication"))).toEqual([4, 5, 6, 7].map(score));
    await client.next("patch");
  });

  test("hears channels that come by their number", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    await subscribe(client, "numbered:1");
    await subscribe(client, "numbered:2");
    await client.do("publish", { channel: "numbered:2", data: "two" });
    await client.do("publish", { channel: "numbered:1", data: "one" });
    expect(await client.take(2, "publication")).toMatchObject([
      { channel: "numbered:2", data: "two" },
      { channel: "numbered:1", data: "one" },
    ]);
    await client.take(2, "numbered");
    await client.do("unsubscribe", { channel: "numbered:2" });
    expect(await client.next("unsubscribed")).toMatchObject({ channel: "numbered:2", code: 0 });
  });

  test("hears only what its filter of tags lets through", async () => {
    await using server = await SdkServer.start();
    await using client = await connect(server, "ada");
    await subscribe(client, "tagged:1", { tags: { ticker: "AAPL" } });
    for (const ticker of ["GOOG", "AAPL", "MSFT", "AAPL"]) {
      await server.call("publish", { channel: "tagged:1", data: { ticker }, tags: { ticker } });
    }
    await server.call("publish", { channel: "tagged:1", data: "untagged" });
    await server.call("publish", { channel: "tagged:1", data: "last", tags: { ticker: "AAPL" } });
    expect(texts(await client.take(3, "publication"))).toEqual([{ ticker: "AAPL" }, { ticker: "AAPL" }, "last"]);
  });
});
