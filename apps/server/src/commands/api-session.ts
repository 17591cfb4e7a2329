import { readFileSync } from "node:fs";
import { type Exchanger, Network, PolywireError, parseEndpoint } from "@polywire/core";
import { type Command, Option } from "commander";
import { type CommandHost, oneLine } from "../command-host.ts";
import { type DialFlags, headersOf, tlsOptions } from "./dial-flags.ts";

/** The keys that a server takes; a command shows the first. */
export const API_KEY_VARIABLE = "POLYWIRE_API_KEY";

const API_PATH = "/api";
const SCHEMES: ReadonlySet<string> = new Set(["http", "https"]);
/** The largest page of history, and what is around it. */
const MAX_ANSWER_BYTES = 67_108_864;
const CLOSE_TIMEOUT_MS = 2_000;

/** Flags of the commands that can use the server API. */
export interface ApiFlags extends DialFlags {
  readonly api?: true;
  readonly apiKeyFile?: string;
}

export function addApiFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--api", "act as the server, through its API: http://host:9000").conflicts(["protobuf", "tokenFile"]),
    )
    .option("--api-key-file <file>", `file with the key for --api (or the variable ${API_KEY_VARIABLE})`);
}

/** An error that the API has answered. */
export interface ApiFailure {
  readonly code: number;
  readonly message: string;
}

/** The server API of a hub, over HTTP. */
export class ApiSession implements AsyncDisposable {
  readonly #network: Network<ReturnType<CommandHost["protocols"]>>;
  readonly #exchanger: Exchanger;
  readonly #path: string;
  readonly #shownUrl: string;
  readonly #timeoutMs: number;

  private constructor(
    network: Network<ReturnType<CommandHost["protocols"]>>,
    exchanger: Exchanger,
    { path, shownUrl, timeoutMs }: { readonly path: string; readonly shownUrl: string; readonly timeoutMs: number },
  ) {
    this.#network = network;
    this.#exchanger = exchanger;
    this.#path = path;
    this.#shownUrl = shownUrl;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws PolywireError for a URL or a key that cannot be used, and when nobody is there or the key is not accepted. */
  static async open(url: string, flags: ApiFlags, host: CommandHost): Promise<ApiSession> {
    const { scheme, path, display } = parseEndpoint(url);
    if (!SCHEMES.has(scheme)) {
      throw new PolywireError("invalid-argument", `--api goes with http:// or https://, not ${scheme}://`);
    }
    const headers = new Map([...headersOf(flags), ["x-api-key", keyOf(flags, host)]]);
    const network = new Network({ protocols: host.protocols() });
    const timeoutMs = Math.max(flags.timeout, 1);
    const options = {
      ...tlsOptions(flags, host),
      headers: Object.fromEntries(headers),
      connectTimeoutMs: timeoutMs,
      maxResponseBytes: MAX_ANSWER_BYTES,
    };
    const exchanger = await network.open(url, options);
    const place = {
      path: path === "" || path === "/" ? API_PATH : path.replace(/\/$/, ""),
      shownUrl: display,
      timeoutMs,
    };
    const session = new ApiSession(network, exchanger, place);
    try {
      await session.call("info", "{}");
    } catch (thrown) {
      await session[Symbol.asyncDispose]();
      throw thrown;
    }
    host.error(oneLine(`connected to the API of ${display}`));
    return session;
  }

  /**
   * One call.
   *
   * @param params JSON text, so that what it holds stays as it was typed.
   * @throws PolywireError when it cannot be made; what the API says no with is an answer.
   */
  async call(method: string, params: string): Promise<{ readonly result: unknown } | { readonly error: ApiFailure }> {
    const response = await this.#exchanger.request(
      {
        method: "POST",
        path: `${this.#path}/${method}`,
        headers: new Map([["content-type", "application/json"]]),
        body: params,
      },
      { timeoutMs: this.#timeoutMs },
    );
    const body = await response.body.bytes(MAX_ANSWER_BYTES);
    if (response.status === 401) {
      throw new PolywireError("permission-denied", `"${this.#shownUrl}" does not accept the API key`);
    }
    const answer = parsed(body);
    if (answer !== undefined && (response.status === 200 || response.status === 400)) return answer;
    const advice = response.status === 404 ? ": is that its internal address, and has it a key?" : "";
    const message = `"${this.#shownUrl}" answers ${method} with ${response.status}${advice}`;
    throw new PolywireError("not-available", message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  }
}

/** The key, never from an argument: every user of the machine can read those. */
function keyOf({ apiKeyFile }: ApiFlags, { environment }: CommandHost): string {
  const text = apiKeyFile === undefined ? environment[API_KEY_VARIABLE] : readKeys(apiKeyFile);
  const key = text?.split(/[\s,]+/).find((one) => one !== "");
  if (key !== undefined) return key;
  const advice = apiKeyFile === undefined ? `set ${API_KEY_VARIABLE}, or give --api-key-file` : "it is empty";
  throw new PolywireError("invalid-argument", `--api needs a key: ${advice}`);
}

function readKeys(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new PolywireError("invalid-argument", `--api-key-file ${file}: cannot be read (${code})`, { cause });
  }
}

function parsed(body: Uint8Array): { readonly result: unknown } | { readonly error: ApiFailure } | undefined {
  try {
    const answer = JSON.parse(Buffer.from(body).toString()) as { result?: unknown; error?: ApiFailure };
    if (answer.error !== undefined) return { error: answer.error };
    return answer.result === undefined ? undefined : { result: answer.result };
  } catch {
    return undefined;
  }
}
