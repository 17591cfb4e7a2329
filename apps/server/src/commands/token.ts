import { readFileSync } from "node:fs";
import { issueToken, type SigningKey, type TokenContent } from "@polywire/auth-jwt";
import { PolywireError } from "@polywire/core";
import type { Capability } from "@polywire/realtime";
import type { Command } from "commander";
import type { CommandHost } from "../command-host.ts";
import { loadConfig } from "../config/load.ts";
import type { ServerConfig } from "../config/schema.ts";
import { readTokenKeys } from "../config/token-keys.ts";
import { readDuration } from "../config/values.ts";
import { fail } from "./exit-code.ts";
import { addTokenCheckCommand } from "./token-check.ts";

/** What a token is for when nobody says how long. */
const DEFAULT_TTL = "1h";
const FOREVER = "never";

interface MakeFlags {
  readonly config?: string;
  readonly user?: string;
  readonly channel?: string;
  readonly ttl: string;
  readonly info?: string;
  readonly data?: string;
  readonly channels?: readonly string[];
  readonly allow?: readonly string[];
  readonly meta?: string;
  readonly audience?: string;
  readonly issuer?: string;
  readonly algorithm?: string;
  readonly privateKeyFile?: string;
  readonly keyId?: string;
  readonly json?: true;
}

const MAKE_HELP = `
The key is the secret of the configuration (client.token, or client.subscriptionToken for a --channel), also from its file or
variable; for public keys and key sets give the private one with --private-key-file. Audience and issuer are those of the
configuration, unless given.

Examples:
  polywire token make --config polywire.yaml --user 42 --info '{"name":"Ann"}'
  polywire token make --config polywire.yaml --user 42 --channel team:red --ttl 10m
  polywire token make --config polywire.yaml --user ops --allow 'sub,hst=team:*' --allow 'pub=news'
  POLYWIRE_TOKEN=$(polywire token make -c polywire.yaml --user 42) polywire sub ws://127.0.0.1:8000 news`;

/** `polywire token`. */
export function addTokenCommand(program: Command, host: CommandHost, finish: (code: number) => void): void {
  const command = program.command("token").description("make a client's token, or check one").helpCommand(false);
  command
    .command("make")
    .description("print a signed token: for a connection, or with --channel for a subscription")
    .option("-c, --config <file>", "the server's configuration, which has the key (or POLYWIRE_CONFIG)")
    .option("--user <id>", "whose it is; without one it is an anonymous user's")
    .option("--channel <name>", "the private channel that it opens")
    .option("--ttl <duration>", `how long it is good, or "${FOREVER}"`, DEFAULT_TTL)
    .option("--info <json>", "what others are shown of the client")
    .option("--data <json>", "with --channel: what the client is told")
    .option("--channels <names...>", "channels that the server subscribes the client to")
    .option("--allow <actions=channel>", "sub, pub, hst, prs in a channel or pattern; may be repeated", gathered)
    .option("--meta <json>", "what the server's own hooks are told")
    .option("--audience <text>", "whom it is for (aud)")
    .option("--issuer <text>", "whom it is from (iss)")
    .option("--private-key-file <file>", "signs with this key, in PEM, instead of the configuration's secret")
    .option("--key-id <id>", "the key's name in a key set (kid)")
    .option("--algorithm <name>", "such as HS512; by default the first that the key is for")
    .option("--json", "print one JSON object")
    .addHelpText("after", MAKE_HELP)
    .action(async (flags: MakeFlags) => finish(await make(flags, host)));
  addTokenCheckCommand(command, host, finish);
}

function gathered(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

async function make(flags: MakeFlags, host: CommandHost): Promise<number> {
  try {
    const { config } = loadConfig(flags.config, host.environment);
    const content = contentOf(flags, config);
    const key = signingKey(flags, config);
    const { algorithm } = flags;
    const allowWeakKey = config.client.token?.allowWeakKey === true;
    const token = await issueToken(
      content,
      key,
      algorithm === undefined ? { allowWeakKey } : { allowWeakKey, algorithm },
    );
    host.out(flags.json ? `${JSON.stringify({ token, ttlMs: content.ttlMs })}\n` : `${token}\n`);
    return 0;
  } catch (thrown) {
    return fail(thrown, host);
  }
}

function contentOf(flags: MakeFlags, { client }: ServerConfig): TokenContent {
  const { user, channel, ttl, channels, allow } = flags;
  if (channel !== undefined && (channels !== undefined || allow !== undefined)) {
    throw wrong("--channel", "makes a subscription token, which has no --channels and no --allow");
  }
  if (channel === undefined && flags.data !== undefined) throw wrong("--data", "goes with --channel");
  const { audience = client.token?.audience?.[0], issuer = client.token?.issuer?.[0] } = flags;
  return {
    ...(user === undefined ? {} : { user }),
    ...(channel === undefined ? {} : { channel }),
    ...(ttl === FOREVER ? {} : { ttlMs: readTtl(ttl) }),
    ...(flags.info === undefined ? {} : { info: readJson("--info", flags.info) }),
    ...(flags.data === undefined ? {} : { data: readJson("--data", flags.data) }),
    ...(flags.meta === undefined ? {} : { meta: readJson("--meta", flags.meta) }),
    ...(channels === undefined ? {} : { channels }),
    ...(allow === undefined ? {} : { capabilities: allow.map(readCapability) }),
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
  };
}

function signingKey({ privateKeyFile, keyId, channel }: MakeFlags, { client }: ServerConfig): SigningKey {
  const named = keyId === undefined ? {} : { keyId };
  if (privateKeyFile !== undefined) return { ...named, privateKey: readKeyFile(privateKeyFile) };
  const keys = readTokenKeys(client);
  if (keys === undefined) {
    throw new PolywireError(
      "invalid-argument",
      "there is no key: give a --config with client.token, or --private-key-file",
    );
  }
  const { hmacSecret } = (channel === undefined ? undefined : keys.subscriptionKey) ?? keys.key;
  if (hmacSecret !== undefined) return { ...named, hmacSecret };
  const advice = "give the private one with --private-key-file";
  throw new PolywireError("invalid-argument", `the configuration has a key that only verifies: ${advice}`);
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw wrong(`--private-key-file ${file}`, `cannot be read (${code})`, cause);
  }
}

function readTtl(text: string): number {
  try {
    return readDuration(text, { min: 1_000 });
  } catch (cause) {
    throw wrong("--ttl", `${(cause as Error).message}, or "${FOREVER}"`, cause);
  }
}

function readJson(flag: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw wrong(flag, `must be JSON, such as '{"name":"Ann"}'`, cause);
  }
}

const ACTIONS: ReadonlyMap<string, Capability["allow"][number]> = new Map([
  ["sub", "subscribe"],
  ["pub", "publish"],
  ["hst", "history"],
  ["prs", "presence"],
]);

/** `sub,hst=team:*` */
function readCapability(text: string): Capability {
  const mark = text.indexOf("=");
  const channel = text.slice(mark + 1);
  const allow = text
    .slice(0, Math.max(0, mark))
    .split(",")
    .map((word) => ACTIONS.get(word.trim()));
  if (channel !== "" && allow.every((action) => action !== undefined)) return { channels: [channel], allow };
  throw wrong("--allow", `must be like sub,hst=team:* with some of ${[...ACTIONS.keys()].join(", ")}`);
}

function wrong(flag: string, problem: string, cause?: unknown): PolywireError {
  return new PolywireError("invalid-argument", `${flag}: ${problem}`, { cause });
}
