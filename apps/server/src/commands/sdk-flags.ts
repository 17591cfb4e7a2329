import { readFileSync } from "node:fs";
import { PolywireError, parseEndpoint } from "@polywire/core";
import type { Command } from "commander";
import type { CommandHost } from "../command-host.ts";
import { addDialFlags, type DialFlags } from "./dial-flags.ts";

/** Flags of the commands that speak to a hub. */
export interface SdkFlags extends DialFlags {
  readonly protobuf?: true;
  readonly json?: true;
  readonly tokenFile?: string;
}

export const TOKEN_VARIABLE = "POLYWIRE_TOKEN";

export function addSdkFlags(command: Command): Command {
  return addDialFlags(command)
    .option("--protobuf", "speak Protobuf, for channels of binary data; grpc:// always does")
    .option("--token-file <file>", `file with the connection token (or the variable ${TOKEN_VARIABLE})`)
    .option("--json", "print one JSON object for each event");
}

/** gRPC carries nothing else. */
export function speaksProtobuf(url: string, { protobuf }: SdkFlags): boolean {
  const { scheme } = parseEndpoint(url);
  return protobuf === true || scheme === "grpc" || scheme === "grpcs";
}

/** The token, never from an argument: every user of the machine can read those. Empty if there is none. */
export function tokenOf({ tokenFile }: Pick<SdkFlags, "tokenFile">, { environment }: CommandHost): string {
  if (tokenFile === undefined) return environment[TOKEN_VARIABLE]?.trim() ?? "";
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new PolywireError("invalid-argument", `--token-file ${tokenFile}: cannot be read (${code})`, { cause });
  }
}
