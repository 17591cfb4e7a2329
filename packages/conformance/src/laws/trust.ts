import assert from "node:assert/strict";
import { PolywireError } from "@polywire/core";
import type { LawDefinition } from "../law.ts";
import { rejection } from "./dialing.ts";

/** Whom a link is secret from. */
export const trustLaws: readonly LawDefinition[] = [
  {
    name: "a dial to a certificate that is not trusted is refused, and says so",
    about: "links",
    appliesTo: (_traits, { untrusting }) => untrusting !== undefined,
    async run(world) {
      const { listener, accepted } = await world.listen();
      const options = world.subject.untrusting ?? {};
      const thrown = await rejection(world, world.dialRaw(listener.endpoint, { options }), "the dial");
      assert.ok(PolywireError.is(thrown), `the dial threw ${String(thrown)}`);
      assert.equal(thrown.code, "tls-verify-failed", thrown.message);
      assert.match(thrown.message, /certificate|signed|issuer/i, "the message names the reason");
      await world.patience.settle();
      assert.equal(accepted.length, 0, "accepted links");
    },
  },
];
