import assert from "node:assert/strict";
import type { Traits } from "@polywire/core";
import { Patience } from "./patience.ts";
import { ProcessWatch } from "./process-watch.ts";
import type { Subject } from "./subject.ts";
import { World } from "./world.ts";

const DEFAULT_DEADLINE_MS = 5_000;
/** For the closing of what a law opened. */
const END_DEADLINE_MS = 2_000;
const GRACE_MS = 100;

/** Something that every protocol with these abilities keeps. */
export interface LawDefinition {
  /** A sentence that holds. */
  readonly name: string;
  readonly about: "links" | "exchanges";
  /** For which promises it is a law; for all, if absent. */
  readonly appliesTo?: (traits: Traits, subject: Subject) => boolean;
  readonly deadlineMs?: number;
  /** Throws when it does not hold. */
  readonly run: (world: World) => Promise<void>;
}

/** A law, ready to be held against its subject by any test runner. */
export interface Law {
  readonly name: string;
  readonly about: "links" | "exchanges";
  /** Longer than `run` ever takes: what to give a test runner that has a timeout of its own. */
  readonly timeoutMs: number;
  /** Rejects when the law is broken, by its own deadline at the latest. Run one law at a time. */
  run(): Promise<void>;
}

/** The law with its subject. */
export function bindLaw(definition: LawDefinition, subject: Subject): Law {
  const { patience = 1 } = subject;
  const deadlineMs = (definition.deadlineMs ?? DEFAULT_DEADLINE_MS) * patience;
  const endDeadlineMs = END_DEADLINE_MS * patience;
  return {
    name: definition.name,
    about: definition.about,
    timeoutMs: deadlineMs + GRACE_MS + 2 * endDeadlineMs + 1_000,
    async run(): Promise<void> {
      const watch = new ProcessWatch();
      try {
        await hold(definition, subject, { deadlineMs, endDeadlineMs });
        const [uncaught] = watch.caught;
        if (watch.caught.length > 0) assert.fail(`thrown where nobody can catch it: ${String(uncaught)}`);
      } finally {
        watch.release();
      }
    },
  };
}

async function hold(
  definition: LawDefinition,
  subject: Subject,
  { deadlineMs, endDeadlineMs }: { deadlineMs: number; endDeadlineMs: number },
): Promise<void> {
  const patience = new Patience(deadlineMs);
  const world = new World(subject, patience);
  let failure: { readonly thrown: unknown } | undefined;
  try {
    // A little longer than what the law waits for itself, which has more to say.
    await new Patience(deadlineMs + GRACE_MS).within(definition.run(world), "the law to be through");
  } catch (thrown) {
    failure = { thrown };
  }
  const end = new Patience(endDeadlineMs);
  try {
    await end.within(world.end(end), "everything to be closed");
  } catch (thrown) {
    failure ??= { thrown };
  }
  await end.settle();
  // A broken promise explains a failure better than what came of it.
  assert.deepEqual(world.violations, [], "promises of the sink contract");
  if (failure !== undefined) throw failure.thrown;
}
