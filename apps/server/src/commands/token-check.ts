import { Refusal, type Tokens } from "@polywire/auth-jwt";
import { PolywireError, systemClock } from "@polywire/core";
import type { Command } from "commander";
import { clientTokens } from "../client-tokens.ts";
import { type CommandHost, EXIT_FAILED, oneLine } from "../command-host.ts";
import { loadConfig } from "../config/load.ts";
import { fail } from "./exit-code.ts";
import { lines } from "./lines.ts";
import { TOKEN_VARIABLE, tokenOf } from "./sdk-flags.ts";

interface CheckFlags {
  readonly config?: string;
  readonly channel?: string;
  readonly user?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

const HELP = `
The token comes from --token-file, from the variable ${TOKEN_VARIABLE}, or from the input; never from an argument, which others can see.
What it says is printed whether it is accepted or not, and why it is refused on the standard error.

Exit codes: 0 when the server would accept it, 1 when not, 2 for bad usage.

Examples:
  polywire token check --config polywire.yaml < token
  polywire token check --config polywire.yaml --channel team:red --user 42 --token-file token`;

/** `polywire token check`. */
export function addTokenCheckCommand(parent: Command, host: CommandHost, finish: (code: number) => void): void {
  parent
    .command("check")
    .description("print what a token says, and whether the server would accept it")
    .option("-c, --config <file>", "the server's configuration, which has the key (or POLYWIRE_CONFIG)")
    .option("--channel <name>", "the channel that it is shown for; by default its own")
    .option("--user <id>", "the user who shows it; by default its own")
    .option("--token-file <file>", `file with the token (or the variable ${TOKEN_VARIABLE}, or the input)`)
    .option("--json", "print one JSON object")
    .addHelpText("after", HELP)
    .action(async (flags: CheckFlags) => finish(await check(flags, host)));
}

async function check(flags: CheckFlags, host: CommandHost): Promise<number> {
  try {
    const { config } = loadConfig(flags.config, host.environment);
    const tokens = clientTokens(config.client, systemClock);
    if (tokens === undefined) {
      throw new PolywireError(
        "invalid-argument",
        "there is no key to check it with: give a --config with client.token",
      );
    }
    const token = await readToken(flags, host);
    const said = contentsOf(token);
    const verdict = await verdictOn(token, { tokens, flags, claims: said.claims });
    await tokens.close();
    const isAccepted = !(verdict instanceof Refusal);
    if (flags.json) {
      const why = isAccepted ? {} : { problem: verdict.problem, message: verdict.message };
      host.out(`${printable({ accepted: isAccepted, ...why, ...said })}\n`);
    } else {
      if (said.claims !== undefined) host.out(`${printable(said.claims, 2)}\n`);
      host.error(oneLine(isAccepted ? "accepted" : `refused: ${verdict.problem}: ${verdict.message}`));
    }
    return isAccepted ? 0 : EXIT_FAILED;
  } catch (thrown) {
    return fail(thrown, host);
  } finally {
    host.input.destroy();
  }
}

/** JSON in which nothing is left that a terminal would obey: a stranger may have written it. */
function printable(value: unknown, indent = 0): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** One line, wherever it comes from. */
async function readToken(flags: CheckFlags, host: CommandHost): Promise<string> {
  const given = tokenOf(flags, host);
  if (given !== "") return given;
  for await (const line of lines(host.input, new AbortController().signal)) if (line.trim() !== "") return line.trim();
  throw new PolywireError("invalid-argument", `there is no token: give --token-file, ${TOKEN_VARIABLE} or the input`);
}

interface Contents {
  readonly header?: unknown;
  readonly claims?: unknown;
}

/** What the token says, true or not; nothing for parts that cannot be read. */
function contentsOf(token: string): Contents {
  const [header, claims] = token.split(".").map(decoded);
  return { ...(header === undefined ? {} : { header }), ...(claims === undefined ? {} : { claims }) };
}

function decoded(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

interface Question {
  readonly tokens: Tokens;
  readonly flags: CheckFlags;
  readonly claims: unknown;
}

/** As a subscription token where it names a channel, or is shown for one; for its own user and connection unless others are given. */
async function verdictOn(token: string, { tokens, flags, claims }: Question): Promise<object> {
  const {
    sub,
    channel: own,
    client,
  } = (typeof claims === "object" && claims !== null ? claims : {}) as Record<string, unknown>;
  const { channel = textOf(own), user = textOf(sub) ?? "" } = flags;
  if (channel === undefined) return await tokens.checkConnection(token);
  const connection = textOf(client);
  return await tokens.checkSubscription(token, {
    channel,
    user,
    ...(connection === undefined ? {} : { client: connection }),
  });
}

function textOf(claim: unknown): string | undefined {
  return typeof claim === "string" ? claim : undefined;
}
