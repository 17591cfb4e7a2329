import type { ClientInfo, Publication } from "@polywire/core";
import { JsonScratch } from "../json-scanner.ts";
import { JsonWriter } from "../json-writer.ts";
import type { Choice, Fields, Shape, Values } from "./fields.ts";

/** Writes results in JSON: each is one value on one line; what is zero or empty is left out, unless its field is required. */
export class JsonResultWriter {
  readonly #writer = new JsonWriter(new JsonScratch());

  write(values: Values, fields: Fields): string {
    let written = "";
    for (const [name, { shape, isRequired }] of Object.entries(fields)) {
      const value = values[name];
      if (!isRequired && isZero(value)) continue;
      written += `${written === "" ? "" : ","}${JSON.stringify(name)}:${this.#value(value, shape)}`;
    }
    return `{${written}}`;
  }

  #value(value: unknown, shape: Shape): string {
    switch (shape.kind) {
      case "text":
        return JSON.stringify(value ?? "");
      case "count":
      case "integer":
        return String(value ?? 0);
      case "flag":
        return String(value === true);
      case "list":
        return `[${(value as readonly unknown[]).map((one) => this.#value(one, shape.of)).join(",")}]`;
      case "map":
        return this.#map(value as ReadonlyMap<string, unknown>, shape.of);
      case "object":
        return this.write(value as Values, shape.fields);
      case "choice": {
        const { name, value: chosen } = value as Choice;
        return `{${JSON.stringify(name)}:${this.#value(chosen, (shape.fields[name] as Fields[string]).shape)}}`;
      }
      case "publication":
        return this.#writer.publication(value as Publication);
      case "client":
        return this.#writer.clientInfo(value as ClientInfo);
      case "data":
        throw new TypeError("no result holds bare data");
    }
  }

  #map(values: ReadonlyMap<string, unknown>, of: Shape): string {
    const fields = Array.from(values, ([name, value]) => `${JSON.stringify(name)}:${this.#value(value, of)}`);
    return `{${fields.join(",")}}`;
  }
}

function isZero(value: unknown): boolean {
  return value === undefined || value === "" || value === 0 || value === false;
}
