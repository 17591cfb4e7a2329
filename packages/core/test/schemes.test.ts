import { expect, expectTypeOf, test } from "vitest";
import {
  CONTRACT_VERSION,
  type Connection,
  type DialOptionsFor,
  type Exchanger,
  type ExchangerFor,
  type HalfClosable,
  type Link,
  type LinkFor,
  type ListenOptionsFor,
  Network,
  type Protocol,
  type SchemeOf,
  type UrlOf,
} from "../src/index.ts";
import { memory } from "../src/memory.ts";

interface RadioLink extends Link {
  readonly frequencyHz: number;
}

interface RadioDialOptions {
  readonly power: number;
}

type Radio = Protocol<"radio" | "radios", RadioLink, Exchanger, RadioDialOptions, { readonly antenna: string }>;

const radio: Radio = {
  name: "radio",
  contractVersion: CONTRACT_VERSION,
  schemes: ["radio", "radios"],
  traits: () => ({
    kind: "datagram",
    ordered: false,
    reliable: false,
    halfClose: false,
    ping: "none",
    text: false,
    closeCodes: false,
    handshake: false,
    content: "any",
    maxMessageBytes: 100,
  }),
};

type Both = readonly [Radio, ReturnType<typeof memory>];

test("the scheme of a literal URL is known, of any other it is a string", () => {
  expectTypeOf<SchemeOf<"ws://host/">>().toEqualTypeOf<"ws">();
  expectTypeOf<SchemeOf<string>>().toEqualTypeOf<string>();
});

test("the link, the exchanger and the options follow from the scheme", () => {
  expectTypeOf<LinkFor<Both, "radio://x">>().toEqualTypeOf<RadioLink>();
  expectTypeOf<LinkFor<Both, "radios://x">>().toEqualTypeOf<RadioLink>();
  expectTypeOf<LinkFor<Both, "memory://x">>().toExtend<HalfClosable>();
  expectTypeOf<LinkFor<Both, "radio://x">>().not.toExtend<HalfClosable>();
  expectTypeOf<ExchangerFor<Both, "memory://x">>().toExtend<Exchanger>();
  expectTypeOf<DialOptionsFor<Both, "radio://x">>().toEqualTypeOf<Partial<RadioDialOptions>>();
  expectTypeOf<ListenOptionsFor<Both, "radio://x">>().toEqualTypeOf<{ readonly antenna?: string }>();
});

test("a URL known only at run time gives the union", () => {
  expectTypeOf<LinkFor<Both, string>>().toEqualTypeOf<RadioLink | LinkFor<Both, "memory://x">>();
});

test("a literal URL that no protocol carries does not compile, and is refused when it runs", async () => {
  expectTypeOf<UrlOf<Both, "ws://x">>().toEqualTypeOf<never>();
  expectTypeOf<UrlOf<Both, "memory://x">>().toEqualTypeOf<"memory://x">();
  const network = new Network({ protocols: [radio, memory()] });
  // @ts-expect-error: no protocol of this network carries ws
  await expect(network.connect("ws://x")).rejects.toMatchObject({
    code: "unknown-scheme",
    message: 'no protocol for "ws://x": this network knows radio, radios, memory',
  });
});

test("options of another protocol do not compile", () => {
  const network = new Network({ protocols: [radio, memory()] });
  const dial = () => [
    network.connect("radio://x", { power: 1, timeoutMs: 5 }),
    network.connect("memory://x", { subprotocols: ["a"] }),
    // @ts-expect-error: an option of radio
    network.connect("memory://x", { power: 1 }),
    // @ts-expect-error: the wrong type
    network.connect("radio://x", { power: "1" }),
  ];
  expectTypeOf(dial).returns.items.toExtend<Promise<Connection>>();
  expectTypeOf(network.connect<"radio://x">).returns.resolves.toEqualTypeOf<Connection<RadioLink>>();
  expect(network.inspect().protocols).toEqual(["radio", "memory"]);
});
