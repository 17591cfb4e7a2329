import { expect, test } from "vitest";
import { type HalfClosable, type Link, Network, type Pingable } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { Notes, openNetwork, turns } from "./opened-network.ts";

type Able = Link & HalfClosable & Pingable;

test("an accepted link has its own id, counters and place, and all that its wire can do", async () => {
  await using watched = openNetwork();
  const { network } = watched;
  const served: Able[] = [];
  const server = new Notes();
  await network.listen("memory://able", (link) => {
    served.push(link);
    link.open(server);
  });
  const connection = await network.connect("memory://able");
  const [link] = served as [Able];
  const notes = new Promise((resolve) => connection.on("data", resolve));
  connection.send("question");
  await server.next();
  expect(link.send("answer")).toBe("sent");
  expect(link.bufferedBytes).toBeGreaterThan(0);
  expect(await notes).toBe("answer");
  const roundTrip = new Promise<number | undefined>((resolve) => link.ping(resolve));
  expect(await roundTrip).toBeGreaterThanOrEqual(0);
  expect(link.framing).toBe(connection.link.framing);
  const accepted = network.inspect().connections.find(({ direction }) => direction === "accepted");
  expect(accepted).toMatchObject({ protocol: "memory", messagesIn: 1, messagesOut: 1, refusals: 0, bufferedBytes: 0 });
  expect(accepted?.id).not.toBe(connection.id);
  const ended = new Promise((resolve) => connection.on("end", resolve));
  link.end();
  expect(link.send("more")).toBe("refused");
  expect(link.refusal).toBe("closed");
  await ended;
  await connection.close();
  await turns();
  expect(server.closed_).toHaveLength(1);
});

test("what its wire cannot do is unsupported", async () => {
  const plain = memory({ kind: "datagram", loss: 0 });
  const network = new Network({ protocols: [plain] });
  await using _ = network;
  const served: Able[] = [];
  await network.listen("memory://plain", (link) => {
    served.push(link);
    link.open(new Notes());
  });
  await network.connect("memory://plain");
  const [link] = served as [Able];
  expect(() => link.end()).toThrow(expect.objectContaining({ code: "unsupported" }));
  expect(() => link.ping(() => {})).toThrow(expect.objectContaining({ code: "unsupported" }));
});

test("a wire whose links lack the functions is told apart by traits, not by a crash", async () => {
  const bare = memory();
  const { links } = bare;
  const listen = links?.listen?.bind(links);
  const network = new Network({
    protocols: [
      {
        ...bare,
        links: {
          dial: (endpoint, context) => links?.dial(endpoint, context) as Promise<Link>,
          listen: (endpoint, accept, context) => {
            const strip = (link: Link): void =>
              accept({
                traits: { ...link.traits, halfClose: false, ping: "none" },
                peer: link.peer,
                refusal: undefined,
                bufferedBytes: 0,
                open: (sink) => link.open(sink),
                send: (payload) => link.send(payload),
                pause: () => link.pause(),
                resume: () => link.resume(),
                close: (reason) => link.close(reason),
              });
            return listen?.(endpoint, strip, context) ?? Promise.reject(new Error("memory listens"));
          },
        },
      },
    ],
  });
  await using _ = network;
  const served: Able[] = [];
  await network.listen("memory://bare", (link) => {
    served.push(link as Able);
    link.open(new Notes());
  });
  await network.connect("memory://bare");
  const [link] = served as [Able];
  expect(() => link.end()).toThrow(/no half-close: see link.traits.halfClose/);
  expect(() => link.ping(() => {})).toThrow(/no ping: see link.traits.ping/);
});
