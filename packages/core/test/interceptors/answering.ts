import {
  type Exchange,
  type ExchangeCall,
  type Exchanger,
  type Interceptor,
  type LogFields,
  type Logger,
  Network,
} from "../../src/index.ts";
import { memory } from "../../src/memory.ts";
import { ManualClock } from "../../src/testing.ts";
import { turns } from "../opened-network.ts";

export interface Answering extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: Network<[ReturnType<typeof memory>]>;
  readonly exchanger: Exchanger;
  readonly log: readonly { readonly level: string; readonly message: string; readonly fields: LogFields }[];
  /** What reached the wire, and when. */
  readonly attempts: readonly { readonly call: ExchangeCall; readonly atMs: number }[];
  /** Moves time on, letting pass what is on its way. */
  pass(byMs: number): Promise<void>;
}

/** A network whose interceptors stand before `memory://api`, which is answered by `answer`. Its chance is always `random`. */
export async function answering(
  interceptors: readonly Interceptor[],
  answer: (exchange: Exchange, count: number) => void,
  { random = 0.5 }: { readonly random?: number } = {},
): Promise<Answering> {
  const clock = new ManualClock();
  const log: { level: string; message: string; fields: LogFields }[] = [];
  const logger: Logger = {
    log: (level, _component, message, fields = {}) => void log.push({ level, message, fields }),
  };
  const attempts: { call: ExchangeCall; atMs: number }[] = [];
  const last: Interceptor = {
    exchange: (next) => (call) => {
      attempts.push({ call, atMs: clock.now() });
      return next(call);
    },
  };
  const network = new Network({
    protocols: [memory()],
    interceptors: [...interceptors, last],
    clock,
    logger,
    random: () => random,
  });
  let count = 0;
  await network.listen("memory://api", { exchange: (exchange) => answer(exchange, ++count) });
  const exchanger = await network.open("memory://api");
  return {
    clock,
    network,
    exchanger,
    log,
    attempts,
    pass: (byMs) => clock.advanceSettled(byMs, turns),
    async [Symbol.asyncDispose]() {
      await network.close();
    },
  };
}

/** What became of it: a status, or an error's code. */
export async function ended(work: Promise<{ readonly status: number }>): Promise<number | string> {
  return work.then(
    ({ status }) => status,
    (error: { code: string }) => error.code,
  );
}
