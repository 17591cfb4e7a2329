/** A schema of any library that follows https://standardschema.dev: Zod, Valibot, ArkType and others. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Issues are told to clients: no more of them than helps. */
const MAX_PROBLEM_CHARACTERS = 200;

/** What the schema makes of the value, as UTF-8 JSON; or what is wrong with it, with the place: `users[0].name: …`. */
export function conforming(
  { "~standard": { validate } }: StandardSchema,
  value: unknown,
): { readonly data: Uint8Array } | { readonly problem: string } {
  const result = validate(value);
  // Publications of one client keep their order, so none can wait for its schema.
  if (result instanceof Promise) throw new TypeError("the channel's schema is asynchronous: give one that is not");
  if (result.issues === undefined) {
    const text = JSON.stringify(result.value) as string | undefined;
    return text === undefined
      ? { problem: "the schema gives something that has no JSON form" }
      : { data: new TextEncoder().encode(text) };
  }
  const [issue] = result.issues;
  const problem = `${placeOf(issue)}${issue?.message ?? "does not fit the schema"}`;
  return { problem: problem.slice(0, MAX_PROBLEM_CHARACTERS).toWellFormed() };
}

function placeOf(issue: SchemaIssue | undefined): string {
  let place = "";
  for (const step of issue?.path ?? []) {
    const key = typeof step === "object" ? step.key : step;
    if (typeof key === "number") place += `[${key}]`;
    else place += place === "" ? String(key) : `.${String(key)}`;
  }
  return place === "" ? "" : `${place}: `;
}
