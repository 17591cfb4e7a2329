import { z } from "zod";

/** How a setting is written in an environment variable. */
type SettingForm = "text" | "number" | "boolean" | "list" | "yaml";

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
        if (raw === undefined) throw new Error("is missing");
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
export function listSettings(schema: z.core.$ZodType, path = ""): ListedSetting[] {
  const inner = unwrapped(schema);
  const info = z.globalRegistry.get(inner)?.setting as SettingInfo | undefined;
  const own = info === undefined ? [] : [{ key: path, ...info }];
  if (inner instanceof z.ZodArray) return [...own, ...listSettings(inner.element, `${path}[]`)];
  if (!(inner instanceof z.ZodObject)) return own;
  const below = Object.entries<z.core.$ZodType>(inner.shape);
  return [...own, ...below.flatMap(([name, child]) => listSettings(child, path === "" ? name : `${path}.${name}`))];
}

/** The schema inside `optional`, `default` and `preprocess`. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe && schema.in instanceof z.ZodTransform) return unwrapped(schema.out);
  return schema;
}
