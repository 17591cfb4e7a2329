import { z } from "zod";

/** How a setting is written in an environment variable. */
export type SettingForm = "text" | "number" | "boolean" | "list" | "yaml";

/** What the documentation, the environment and the error messages need to know of a setting. */
export interface SettingInfo {
  readonly form: SettingForm;
  readonly description: string;
  /** As people would write it. */
  readonly default: string;
}

/** One setting: its value is read by `read`, which throws a sentence when it is wrong. */
export function setting<Value>(info: SettingInfo, read: (raw: unknown) => Value): z.ZodType<Value> {
  return z
    .unknown()
    .transform((raw, context): Value => {
      try {
        return read(raw);
      } catch (thrown) {
        context.issues.push({
          code: "custom",
          message: thrown instanceof Error ? thrown.message : "is wrong",
          input: raw,
        });
        return z.NEVER;
      }
    })
    .meta({ setting: info });
}

/** A setting as the reference lists it. */
export interface ListedSetting extends SettingInfo {
  /** Path of the key: `limits.clients`. */
  readonly key: string;
}

/** Every setting of a schema, in its order. Lists of mappings are one setting, then one for each key of a mapping. */
export function listSettings(schema: z.ZodType, path = ""): ListedSetting[] {
  const info = schema.meta()?.setting as SettingInfo | undefined;
  const own = info === undefined ? [] : [{ key: path, ...info }];
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) {
    const below = Object.entries(inner.shape as Record<string, z.ZodType>);
    return [...own, ...below.flatMap(([name, child]) => listSettings(child, path === "" ? name : `${path}.${name}`))];
  }
  if (inner instanceof z.ZodArray) return [...own, ...listSettings(inner.element as z.ZodType, `${path}[]`)];
  return own.length > 0 || inner === schema ? own : listSettings(inner, path);
}

/** The schema inside `optional`, `default` and `preprocess`. */
function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodPipe && schema.in instanceof z.ZodTransform) return unwrapped(schema.out as z.ZodType);
  return schema;
}
