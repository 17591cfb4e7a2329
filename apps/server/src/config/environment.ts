import { parseDocument } from "yaml";
import { TOKEN_VARIABLE } from "../commands/sdk-flags.ts";
import type { ListedSetting } from "./setting.ts";

const PREFIX = "POLYWIRE_";

/** The variable that names the file, when the command line does not. */
export const CONFIG_VARIABLE = "POLYWIRE_CONFIG";

/** Variables that a Kubernetes service called "polywire" puts into every container. */
const KUBERNETES = /^POLYWIRE_(SERVICE_HOST|SERVICE_PORT|PORT)(_|$)/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** `limits.messageBytes` is `POLYWIRE_LIMITS_MESSAGE_BYTES`. */
export function variableFor(key: string): string {
  return (
    PREFIX +
    key
      .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
      .replaceAll(".", "_")
      .toUpperCase()
  );
}

/** Our variables, without those that are none of ours. */
export function ourVariables(environment: Environment): [name: string, text: string][] {
  return Object.entries(environment)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .filter(([name]) => name.startsWith(PREFIX) && !KUBERNETES.test(name))
    .filter(([name]) => name !== CONFIG_VARIABLE && name !== TOKEN_VARIABLE);
}

/**
 * The variable's text as the value that the configuration file would hold. What cannot be read that way stays the text,
 * so that the check of the setting says what is wrong with it.
 */
export function readVariable(setting: ListedSetting, text: string): unknown {
  switch (setting.form) {
    case "number":
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "list":
      return text.trim().startsWith("[") ? readYaml(text) : text.split(",").map((entry) => entry.trim());
    case "yaml":
      return readYaml(text);
    default:
      return text;
  }
}

function readYaml(text: string): unknown {
  const document = parseDocument(text, { logLevel: "silent" });
  return document.errors.length > 0 ? text : document.toJS();
}
