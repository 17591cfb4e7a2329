import { ERROR_FIELD } from "./api-error.ts";
import { disconnect, refresh, subscribe, unsubscribe } from "./clients.ts";
import { type Choice, choice, type Fields, flag, list, object, required, type Values } from "./fields.ts";
import { type ApiMethod, method, wrongField } from "./method.ts";
import { broadcast, publish } from "./publishing.ts";
import { channels, history, historyRemove, info, presence, presenceStats } from "./reading.ts";

const SINGLE: readonly ApiMethod[] = [
  publish,
  broadcast,
  subscribe,
  unsubscribe,
  disconnect,
  refresh,
  presence,
  presenceStats,
  history,
  historyRemove,
  channels,
  info,
];

/** By name, without the one that holds others. */
const BY_NAME: ReadonlyMap<string, ApiMethod> = new Map(SINGLE.map((one) => [one.name, one]));

const COMMANDS: Fields = Object.fromEntries(SINGLE.map((one) => [one.name, object(one.request, one.summary)]));

const REPLIES: Fields = {
  error: ERROR_FIELD,
  ...Object.fromEntries(SINGLE.map((one) => [one.name, object(one.result, one.summary)])),
};

const batch: ApiMethod = method({
  name: "batch",
  summary: "Several calls in one: one after the other, or at once.",
  request: {
    commands: required(list(choice(COMMANDS, "one call"), "1,024 at most")),
    parallel: flag("all at once, so in any order"),
  },
  result: { replies: required(list(choice(REPLIES, "how it went"), "one for each call, in their order")) },
  run: async ({ commands, parallel = false }, place) => {
    if (commands.length === 0) throw wrongField("commands", "give at least one");
    const carryOut = async ({ name, value }: Choice): Promise<Choice> => {
      const { name: how, value: outcome } = await place.outcome(
        async () => await (BY_NAME.get(name) as ApiMethod).call(value as Values, place),
      );
      return { name: how === "result" ? name : how, value: outcome };
    };
    if (parallel) return { replies: await Promise.all(commands.map(carryOut)) };
    const replies: Choice[] = [];
    for (const command of commands) replies.push(await carryOut(command));
    return { replies };
  },
});

/** All methods, by name. */
export const METHODS: ReadonlyMap<string, ApiMethod> = new Map([...BY_NAME, [batch.name, batch]]);
