import { HttpHooks, type HttpHooksOptions } from "@polywire/hooks-http";
import { z } from "zod";
import { isWorldReadable } from "./certificates.ts";
import type { Problem } from "./problem.ts";
import { readSecret, readSecretFile, type Secret } from "./secret.ts";
import { setting } from "./setting.ts";
import { readDuration, readText } from "./values.ts";

const MAX_URL_CHARACTERS = 2_048;
const MAX_PATTERN_CHARACTERS = 255;
const MAX_PATH_CHARACTERS = 4_096;
/** What the hub waits for a hook at most. */
const MAX_TIMEOUT_MS = 5_000;

const EVENTS = ["connect", "refresh", "subscribe", "subRefresh", "publish", "rpc"] as const;

interface HookConfig {
  readonly url: string;
  readonly timeoutMs: number;
  readonly channels?: readonly string[] | undefined;
}

/** What a backend is asked; absent: nothing. */
export interface HooksConfig extends Readonly<Partial<Record<(typeof EVENTS)[number], HookConfig | undefined>>> {
  readonly secret?: Secret | undefined;
  readonly secretFile?: string | undefined;
  readonly clientHeaders: readonly string[];
}

/** As the schema leaves it. */
interface CheckedTarget {
  readonly url: string;
  readonly timeout: number;
  readonly channels?: readonly string[] | undefined;
}

interface CheckedHooks extends Readonly<Partial<Record<(typeof EVENTS)[number], CheckedTarget | undefined>>> {
  readonly secret?: Secret | undefined;
  readonly secretFile?: string | undefined;
  readonly clientHeaders: readonly string[];
}

function text(description: string, maxCharacters: number) {
  return setting({ form: "text", description, default: "" }, (raw) => readText(raw, maxCharacters));
}

function targetShape(when: string) {
  return {
    url: text(`where the backend is asked ${when}`, MAX_URL_CHARACTERS),
    timeout: setting({ form: "text", description: "for its answer", default: "1s" }, (raw) =>
      readDuration(raw, { min: 10, max: MAX_TIMEOUT_MS }),
    ).default(1_000),
  };
}

function target(when: string) {
  return z.strictObject(targetShape(when)).optional();
}

function channelTarget(when: string) {
  const channels = z
    .array(text("a channel, or a pattern", MAX_PATTERN_CHARACTERS))
    .min(1)
    .meta({ setting: { form: "list", description: "channels that it is asked about, or patterns", default: "all" } })
    .optional();
  return z.strictObject({ ...targetShape(when), channels }).optional();
}

export const hooksSchema: z.ZodOptional<z.ZodType<CheckedHooks>> = z
  .strictObject({
    connect: target("when a client without a token of ours connects"),
    refresh: target("when the time that it gave a client is over"),
    subscribe: channelTarget("when a client subscribes to a private channel without a token"),
    subRefresh: channelTarget("when the time of a subscription is over"),
    publish: channelTarget("when a client publishes where the channel's rule lets it"),
    rpc: target("when a client calls a method"),
    secret: setting(
      {
        form: "text",
        description: "goes with every question as `Authorization: Bearer …`; better in a file or the variable",
        default: "",
      },
      readSecret,
    ).optional(),
    secretFile: text("file with that secret", MAX_PATH_CHARACTERS).optional(),
    clientHeaders: z
      .array(text("a header", 128))
      .meta({
        setting: {
          form: "list",
          description: "headers of a client's handshake that are passed on when it connects, such as `cookie`",
          default: "none",
        },
      })
      .default([]),
  })
  .optional();

export function completeHooks(checked: CheckedHooks | undefined): HooksConfig | undefined {
  if (checked === undefined) return undefined;
  const { secret, secretFile, clientHeaders, ...targets } = checked;
  const complete = Object.entries(targets).map(([event, given]) => {
    if (given === undefined) return [event, undefined];
    const { timeout, ...rest } = given;
    return [event, { ...rest, timeoutMs: timeout }];
  });
  return { ...Object.fromEntries(complete), secret, secretFile, clientHeaders } as HooksConfig;
}

/** What the hooks are made from. @throws Error when the secret's file cannot be read. */
export function hookOptions(config: HooksConfig): HttpHooksOptions {
  const { secret, secretFile, clientHeaders } = config;
  const bearer = secretFile === undefined ? secret?.reveal() : readSecretFile(secretFile);
  const targets = EVENTS.flatMap((event) => {
    const given = config[event];
    if (given === undefined) return [];
    const { channels, ...rest } = given;
    return [[event, { ...rest, ...(channels !== undefined && { channels }) }] as const];
  });
  return {
    ...Object.fromEntries(targets),
    clientHeaders,
    ...(bearer !== undefined && { headers: { authorization: `Bearer ${bearer}` } }),
  };
}

export function findHookProblem(config: HooksConfig | undefined): Problem | undefined {
  if (config === undefined) return undefined;
  if (config.secret !== undefined && config.secretFile !== undefined) {
    return { key: "hooks.secretFile", message: "goes without hooks.secret: give one of the two" };
  }
  try {
    // Made to see whether it can be: nothing is asked yet.
    new HttpHooks(hookOptions(config));
    return undefined;
  } catch (thrown) {
    const { message } = thrown as Error;
    const [, option = ""] = /^(\w+(?:\.\w+)?): /.exec(message) ?? [];
    if (option === "")
      return { key: message.includes(String(config.secretFile)) ? "hooks.secretFile" : "hooks", message };
    return { key: `hooks.${option}`, message: message.slice(option.length + 2) };
  }
}

export function findHookDoubts(config: HooksConfig | undefined): Problem[] {
  const doubts: Problem[] = [];
  if (config?.secretFile !== undefined && isWorldReadable(config.secretFile)) {
    doubts.push({ key: "hooks.secretFile", message: "every user of this machine may read it: chmod 600" });
  }
  for (const event of EVENTS) {
    const url = config?.[event]?.url ?? "";
    const isPlain = url.startsWith("http://") && !/^http:\/\/(localhost|127\.|\[::1\])/.test(url);
    if (isPlain)
      doubts.push({
        key: `hooks.${event}.url`,
        message: "what clients send crosses the network in plain text: use https://",
      });
  }
  return doubts;
}
