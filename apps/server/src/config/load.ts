import { PolywireError } from "@polywire/core";
import { closestMatch } from "leven";
import { CONFIG_VARIABLE, type Environment, ourVariables, readVariable, variableFor } from "./environment.ts";
import { readConfigFile } from "./file.ts";
import { laterKey, laterVariable } from "./later.ts";
import type { Problem } from "./problem.ts";
import { findContradiction, findDoubts } from "./rules.ts";
import { checkConfig, type Issue, SETTINGS, type ServerConfig } from "./schema.ts";
import { kindOf } from "./values.ts";

const NOT_SUPPORTED = "is not supported in this version";

/** A configuration that can be served. */
export interface LoadedConfig {
  readonly config: ServerConfig;
  /** Where it came from: the file's name, or `undefined` for the defaults. */
  readonly file: string | undefined;
  /** Allowed, but probably not meant: one line each. */
  readonly doubts: readonly string[];
}

/** Where each key was set, so that a mistake is reported where it can be mended. */
type Origins = ReadonlyMap<string, string>;

/**
 * The configuration of a file (or the defaults), with the environment over it.
 *
 * @throws PolywireError `invalid-argument` for the first mistake: one line that names the file and the key, or the
 * variable, and shows nothing secret.
 */
export function loadConfig(file: string | undefined, environment: Environment): LoadedConfig {
  const path = file ?? environment[CONFIG_VARIABLE];
  const raw = path === undefined ? {} : readFile(path);
  const origins = applyEnvironment(raw, environment);
  const checked = checkConfig(raw);
  const place = path ?? "config";
  if ("issues" in checked) throw mistake(firstProblem(checked.issues), place, origins);
  const { config } = checked;
  const contradiction = findContradiction(config);
  if (contradiction !== undefined) throw mistake(contradiction, place, origins);
  return { config, file: path, doubts: findDoubts(config).map(({ key, message }) => `${key}: ${message}`) };
}

function readFile(path: string): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = readConfigFile(path);
  } catch (thrown) {
    throw invalid(`${path}: ${(thrown as Error).message}`, thrown);
  }
  if (typeof raw === "object" && raw !== null && !Array.isArray(raw)) return raw as Record<string, unknown>;
  throw invalid(`${path}: must hold a mapping of keys, not ${kindOf(raw)}`);
}

/** Puts the values of our variables into `raw`; answers which variable set which key. */
function applyEnvironment(raw: Record<string, unknown>, environment: Environment): Origins {
  const settings = SETTINGS.filter((setting) => !setting.key.includes("[]"));
  const byVariable = new Map(settings.map((setting) => [variableFor(setting.key), setting]));
  const origins = new Map<string, string>();
  for (const [variable, text] of ourVariables(environment)) {
    const setting = byVariable.get(variable);
    if (setting === undefined) throw invalid(unknownVariable(variable, [...byVariable.keys()]));
    put(raw, setting.key.split("."), readVariable(setting, text));
    origins.set(setting.key, variable);
  }
  return origins;
}

function put(target: Record<string, unknown>, [name = "", ...below]: string[], value: unknown): void {
  if (below.length === 0) {
    target[name] = value;
    return;
  }
  const held = target[name] ?? {};
  // What is no mapping stays as it is: the check of the key says so.
  target[name] = held;
  if (typeof held === "object" && !Array.isArray(held)) put(held as Record<string, unknown>, below, value);
}

function unknownVariable(variable: string, known: readonly string[]): string {
  if (laterVariable(variable, variableFor) !== undefined) return `${variable}: ${NOT_SUPPORTED}`;
  return `${variable}: unknown environment variable${suggestion(variable, [...known, CONFIG_VARIABLE])}`;
}

/** The problem to tell: a key that does not exist explains more than what is wrong below it. */
function firstProblem(issues: readonly Issue[]): Problem {
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue === undefined) return { key: "", message: "is wrong" };
  const key = keyOf(issue.path);
  if (issue.code === "unrecognized_keys") return unknownKey(key, issue.keys[0] ?? "");
  return { key, message: describe(issue) };
}

function describe(issue: Issue): string {
  if (issue.code === "too_small") return "is an empty list: give at least one entry, or leave the key out";
  if (issue.code !== "invalid_type") return issue.message;
  const wanted = issue.expected === "array" ? "a list" : "a mapping of keys";
  return `must be ${wanted}`;
}

function unknownKey(parent: string, name: string): Problem {
  const key = parent === "" ? name : `${parent}.${name}`;
  const later = laterKey(key);
  if (later !== undefined) return { key: later, message: NOT_SUPPORTED };
  const siblings = SETTINGS.map((setting) => setting.key)
    .filter((known) => parent === "" || known.startsWith(`${parent.replace(/\[\d+\]/g, "[]")}.`))
    .map(
      (known) =>
        (parent === "" ? known : known.slice(parent.replace(/\[\d+\]/g, "[]").length + 1)).split(/[.[]/)[0] ?? "",
    );
  return { key, message: `unknown key${suggestion(name, [...new Set(siblings)])}` };
}

function suggestion(given: string, known: readonly string[]): string {
  const maxDistance = Math.max(1, Math.min(4, Math.floor(given.length / 3)));
  const byLowerCase = new Map(known.map((name) => [name.toLowerCase(), name]));
  const closest = closestMatch(given.slice(0, 128).toLowerCase(), [...byLowerCase.keys()], { maxDistance });
  return closest === undefined ? `; known are ${known.join(", ")}` : `; did you mean ${byLowerCase.get(closest)}?`;
}

function mistake({ key, message }: Problem, place: string, origins: Origins): PolywireError {
  const variable = [...origins].find(
    ([set]) => key === set || key.startsWith(`${set}[`) || key.startsWith(`${set}.`),
  )?.[1];
  const where = variable === undefined ? `${place}: ${key}` : `${variable} (${key})`;
  return invalid(key === "" ? `${place}: ${message}` : `${where}: ${message}`);
}

function keyOf(path: readonly PropertyKey[]): string {
  let key = "";
  for (const part of path) {
    if (typeof part === "number") key += `[${part}]`;
    else key += `${key === "" ? "" : "."}${String(part)}`;
  }
  // An address may be written as a text, without its `url`.
  return key.replace(/^((?:listen|internal)\[\d+\])\.url$/, "$1");
}

function invalid(message: string, cause?: unknown): PolywireError {
  return new PolywireError("invalid-argument", oneLine(message), { cause });
}

/** Names of keys come from the file: whatever they hold, the mistake stays one printable line. */
function oneLine(text: string): string {
  const printable = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
  return printable.length > 400 ? `${printable.slice(0, 400)}…` : printable;
}
