import { type Clock, PolywireError } from "@polywire/core";
import type { Hub } from "@polywire/realtime";
import type { Choice, Fields, Values, ValuesOf } from "./fields.ts";

/** What the server API asks of a hub. */
export type ApiHub = Pick<
  Hub,
  | "publish"
  | "subscribe"
  | "unsubscribe"
  | "disconnect"
  | "refresh"
  | "presence"
  | "presenceStats"
  | "history"
  | "removeHistory"
  | "channels"
  | "nodes"
  | "linkLimits"
>;

/** What methods work with. */
export interface ApiPlace {
  readonly hub: ApiHub;
  readonly clock: Clock;
  /** Runs a call and turns what goes wrong into an error of the API. */
  outcome(call: () => Promise<Values>): Promise<Outcome>;
}

/** A call's result, or its error: as a {@link Choice}, for calls that hold others. */
export interface Outcome extends Choice {
  readonly name: "result" | "error";
}

/** A method of the server API, whatever wire it is called over. */
export interface ApiMethod {
  /** As in the protocol: `history_remove`. */
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  readonly request: Fields;
  readonly result: Fields;
  /** @throws PolywireError for what the caller did wrong, and for what the hub says. */
  call(request: Values, place: ApiPlace): Promise<Values>;
}

/** A method with the types of its tables. */
interface TypedMethod<Request extends Fields, Result extends Fields> {
  readonly name: string;
  readonly summary: string;
  readonly request: Request;
  readonly result: Result;
  readonly run: (request: ValuesOf<Request>, place: ApiPlace) => Promise<Partial<ValuesOf<Result>>>;
}

export function method<Request extends Fields, Result extends Fields>({
  run,
  ...described
}: TypedMethod<Request, Result>): ApiMethod {
  return {
    ...described,
    async call(request, place) {
      checkRequired(request, described.request, "");
      return (await run(request as ValuesOf<Request>, place)) as Values;
    },
  };
}

/** @throws PolywireError `invalid-argument` naming the field that is missing. */
function checkRequired(values: Values, fields: Fields, path: string): void {
  for (const [name, { shape, isRequired }] of Object.entries(fields)) {
    const value = values[name];
    if (value === undefined) {
      if (isRequired) throw new PolywireError("invalid-argument", `${path}${name} is missing`);
    } else if (shape.kind === "object") {
      checkRequired(value as Values, shape.fields, `${path}${name}.`);
    }
  }
}

/** @throws PolywireError `invalid-argument` naming the field. */
export function wrongField(name: string, problem: string): PolywireError {
  return new PolywireError("invalid-argument", `${name}: ${problem}`);
}
