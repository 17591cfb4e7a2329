import type { Clock } from "../contract/clock.ts";
import type { Turn } from "./turn.ts";

/** A resolver that has failed for a name is not asked for it again so soon. */
const HELD_MS = 1_000;
/** Names of one network that no address was found for. Past it the one that failed the longest ago is forgotten. */
const MAX_HELD = 1_000;

/** The form of Node's `dns.lookup`, which its sockets take as their option `lookup`. */
type Lookup = (host: string, options: never, answer: never) => void;
type Answer = (...found: readonly unknown[]) => void;

/** One name, with the options it was asked for. */
interface Question {
  /** Who waits for the resolver; undefined once it has failed. */
  waiting: Answer[] | undefined;
  failure: unknown;
  failedAtMs: number;
}

/**
 * Keeps a resolver that has no answers from being run over: whoever asks for a name while it is being looked up hears the same
 * answer, and a failure holds for a second. What was found is not kept: how long it holds is for the resolver to say.
 */
export class Lookups {
  /** A network is known by its turn: two of them share nothing. */
  readonly #networks = new WeakMap<Turn, WeakMap<Lookup, Map<string, Question>>>();

  /** The resolver as the dials of one network may use it. */
  paced<Resolver extends Lookup>(resolver: Resolver, { turn, clock }: { turn: Turn; clock: Clock }): Resolver {
    const resolvers = this.#networks.get(turn) ?? new WeakMap<Lookup, Map<string, Question>>();
    this.#networks.set(turn, resolvers);
    const questions = resolvers.get(resolver) ?? new Map<string, Question>();
    resolvers.set(resolver, questions);
    const paced = (host: string, options: object, answer: Answer): void => {
      const key = `${host} ${JSON.stringify(options)}`;
      const known = questions.get(key);
      if (known?.waiting !== undefined) {
        known.waiting.push(answer);
      } else if (known !== undefined && clock.now() - known.failedAtMs < HELD_MS) {
        // Never inside the call, as of any resolver.
        void Promise.resolve().then(() => answer(known.failure));
      } else {
        ask(resolver as unknown as PlainLookup, { key, host, options, answer }, { questions, clock });
      }
    };
    return paced as unknown as Resolver;
  }
}

type PlainLookup = (host: string, options: object, answer: Answer) => void;

function ask(
  resolver: PlainLookup,
  asked: { readonly key: string; readonly host: string; readonly options: object; readonly answer: Answer },
  { questions, clock }: { readonly questions: Map<string, Question>; readonly clock: Clock },
): void {
  const { key, host, options, answer } = asked;
  const waiting = [answer];
  const question: Question = { waiting, failure: undefined, failedAtMs: 0 };
  questions.delete(key);
  if (questions.size >= MAX_HELD) questions.delete(questions.keys().next().value as string);
  questions.set(key, question);
  resolver(host, options, (error, ...found) => {
    question.waiting = undefined;
    if (error === null || error === undefined) {
      if (questions.get(key) === question) questions.delete(key);
    } else {
      question.failure = error;
      question.failedAtMs = clock.now();
    }
    for (const each of waiting) each(error, ...found);
  });
}
