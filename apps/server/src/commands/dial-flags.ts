import { readFileSync } from "node:fs";
import { PolywireError } from "@polywire/core";
import { type Command, InvalidArgumentError } from "commander";
import { type CommandHost, oneError } from "../command-host.ts";
import { readDuration } from "../config/values.ts";

/** Flags of every command that dials. */
export interface DialFlags {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly insecure?: true;
  readonly header: readonly string[];
  /** In milliseconds. */
  readonly timeout: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** RFC 9110, section 5.1 and 5.5. */
const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*$/;

export function addDialFlags(command: Command): Command {
  return command
    .option("--ca <file>", "trust these certificates (PEM) instead of the system's")
    .option("--cert <file>", "certificate to show the server (PEM)")
    .option("--key <file>", "private key of --cert (PEM)")
    .option("--servername <name>", "name that the server's certificate has to bear, if the URL has another")
    .option("--insecure", "take any certificate: whoever is in between can read and change everything")
    .option("-H, --header <'Name: value'>", "goes with the handshake: header or metadata; may be repeated", collect, [])
    .option("--timeout <duration>", "for connecting, such as 5s", duration, DEFAULT_TIMEOUT_MS);
}

/** What the flags say in options of protocols: `tls`, where a flag asks for any. */
export function tlsOptions(flags: DialFlags, host: CommandHost): { readonly tls?: object } {
  const { ca, cert, key, servername, insecure } = flags;
  const tls = {
    ...(ca === undefined ? {} : { ca: read("--ca", ca) }),
    ...(cert === undefined ? {} : { cert: read("--cert", cert) }),
    ...(key === undefined ? {} : { key: read("--key", key) }),
    ...(servername === undefined ? {} : { servername }),
    ...(insecure === undefined ? {} : { rejectUnauthorized: false }),
  };
  if (insecure) host.error(oneError("warning: --insecure: the server's certificate is not checked"));
  return Object.keys(tls).length === 0 ? {} : { tls };
}

/** @throws PolywireError `invalid-argument` for one that is no `Name: value`; the value is not repeated. */
export function headersOf({ header }: DialFlags): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of header) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      const shown = line.split(/[:=\s]/, 1)[0] ?? "";
      throw new PolywireError("invalid-argument", `--header "${shown}…": write it like 'Name: value'`);
    }
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/** For commander: a duration with its unit, in milliseconds. */
export function duration(text: string): number {
  try {
    return readDuration(text, { min: 0, max: 86_400_000 });
  } catch (thrown) {
    throw new InvalidArgumentError(`It ${(thrown as Error).message}.`);
  }
}

/** For commander: a positive whole number. */
export function count(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number < 1) throw new InvalidArgumentError("Give a whole number from 1 to 999999999.");
  return number;
}

/** For commander: a flag that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function read(flag: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new PolywireError("invalid-argument", `${flag} ${file}: cannot be read (${code}): give a PEM file`, {
      cause,
    });
  }
}
