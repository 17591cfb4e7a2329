import { describe, expect, test } from "vitest";
import { laws } from "../src/index.ts";
import { faulty, MutantLink } from "./mutant.ts";

describe("a frame for mutants that has no fault keeps every law", () => {
  for (const law of laws(faulty({ link: (inner) => new MutantLink(inner) })))
    test(law.name, { timeout: law.timeoutMs }, () => law.run());
});

describe("silence breaks every law, by its deadline", () => {
  const never = (): Promise<never> => new Promise(() => {});
  const silent = { ...faulty({ dial: never, open: never }), patience: 0.005 };
  for (const law of laws(silent)) {
    test(law.name, { timeout: law.timeoutMs }, async () => {
      await expect(law.run()).rejects.toThrow(/in vain/);
    });
  }
});

describe("links that say nothing break every law that has one, by its deadline", () => {
  class Mute extends MutantLink {
    override open(): void {
      this.inner.open({ message() {}, closed() {} });
    }
  }
  const mute = { ...faulty({ link: (inner) => new Mute(inner) }), patience: 0.005 };
  const hasNoLink = /^(?:a dial|a handshake|a peer that admission refuses)/;
  for (const law of laws(mute).filter(({ about, name }) => about === "links" && !hasNoLink.test(name))) {
    test(law.name, { timeout: law.timeoutMs }, async () => {
      await expect(law.run()).rejects.toThrow(/\S/);
    });
  }
});
