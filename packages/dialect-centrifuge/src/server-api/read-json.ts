import { Buffer } from "node:buffer";
import { PolywireError } from "@polywire/core";
import { JsonScanner, JsonScratch } from "../json-scanner.ts";
import type { ApiData, Choice, Fields, Shape, Values } from "./fields.ts";

/** A field of this name with this before it holds the same in base64. */
const BASE64_PREFIX = "b64";

/** RFC 4648, section 4. */
export const BASE64: RegExp = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The largest number that is taken: the next one is what the scanner makes of all beyond it. */
export const MAX_INTEGER: number = Number.MAX_SAFE_INTEGER - 1;

/** Longest name of a peer's that is repeated. */
const SHOWN_CHARACTERS = 64;

/**
 * Reads requests in JSON. What is no JSON, and what does not fit its table (an unknown field, one that comes twice, another
 * type), throws `protocol-violation` naming the field. Data stay the text they are.
 */
export class JsonRequestReader {
  readonly #scratch = new JsonScratch();
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #encoder = new TextEncoder();
  /** Where the reader is, for errors. */
  #path: string[] = [];

  /** @throws PolywireError `protocol-violation`. */
  read(body: Uint8Array, fields: Fields): Values {
    return this.readText(this.text(body), fields);
  }

  /** @throws PolywireError `protocol-violation`. */
  readText(text: string, fields: Fields): Values {
    return this.#guarded(() => {
      if (text.trim() === "") throw malformed("there is no request: send at least {}");
      const scanner = new JsonScanner(text, this.#scratch, { isWhole: true });
      return scanner.whole(() => this.#object(scanner, fields));
    });
  }

  /** @throws PolywireError `protocol-violation`. */
  text(body: Uint8Array): string {
    try {
      return this.#utf8.decode(body);
    } catch (cause) {
      throw new PolywireError("protocol-violation", "the request is not UTF-8", { cause });
    }
  }

  /** The method and the text of the parameters of a request that names its method itself. */
  readCommand(line: string): { readonly method: string; readonly params: string } {
    return this.#guarded(() => {
      const scanner = new JsonScanner(line, this.#scratch, { isWhole: true });
      return scanner.whole(() => {
        let [method, params] = ["", "{}"];
        this.#fields(scanner, ["method", "params"], (name) => {
          if (name === "method") method = scanner.string();
          else params = scanner.raw();
        });
        return { method, params };
      });
    });
  }

  #guarded<Result>(read: () => Result): Result {
    this.#path = [];
    try {
      return read();
    } catch (thrown) {
      if (!PolywireError.is(thrown) || this.#path.length === 0) throw thrown;
      throw new PolywireError("protocol-violation", `${this.#path.join("")}: ${thrown.message}`, { cause: thrown });
    }
  }

  #object(scanner: JsonScanner, fields: Fields): Values {
    const values: Record<string, unknown> = {};
    this.#fields(scanner, namesOf(fields), (name) => {
      const isBase64 = !Object.hasOwn(fields, name);
      const target = isBase64 ? name.slice(BASE64_PREFIX.length) : name;
      if (values[target] !== undefined) throw malformed(`give ${target} or ${BASE64_PREFIX}${target}, not both`);
      values[target] = isBase64 ? this.#base64(scanner) : this.#value(scanner, (fields[name] as Fields[string]).shape);
    });
    return values;
  }

  /** Calls back at each value. Names that are not known are errors, and so are those that come again. */
  #fields(scanner: JsonScanner, known: readonly string[], read: (name: string) => void): void {
    const seen = new Set<string>();
    scanner.enterObject();
    for (let name = scanner.nextField(); name !== undefined; name = scanner.nextField()) {
      if (!known.includes(name)) {
        const shown = JSON.stringify(name.slice(0, SHOWN_CHARACTERS));
        throw malformed(`unknown field ${shown}: known are ${known.join(", ") || "none"}`);
      }
      this.#path.push(this.#path.length === 0 ? name : `.${name}`);
      if (seen.has(name)) throw malformed("given twice");
      seen.add(name);
      read(name);
      this.#path.pop();
    }
  }

  #value(scanner: JsonScanner, shape: Shape): unknown {
    if (shape.kind === "data") return this.#data(scanner);
    // As in the protocol, null is the same as nothing.
    if (scanner.isNull()) return undefined;
    switch (shape.kind) {
      case "text":
        return textOf(scanner.string(), shape.mayBeEmpty);
      case "count":
        return this.#count(scanner);
      case "integer":
        return this.#integer(scanner);
      case "flag":
        return scanner.boolean();
      case "list":
        return this.#list(scanner, shape.of);
      case "map":
        return this.#map(scanner, shape.of);
      case "object":
        return this.#object(scanner, shape.fields);
      case "choice":
        return this.#choice(scanner, shape.fields);
      case "publication":
      case "client":
        throw malformed("is for results alone");
    }
  }

  #data(scanner: JsonScanner): ApiData {
    return { bytes: this.#encoder.encode(scanner.raw()), format: "json" };
  }

  #base64(scanner: JsonScanner): ApiData | undefined {
    if (scanner.isNull()) return undefined;
    const encoded = scanner.string();
    if (!BASE64.test(encoded)) throw malformed("is no base64");
    return { bytes: Buffer.from(encoded, "base64"), format: undefined };
  }

  #integer(scanner: JsonScanner): number {
    const value = scanner.integer();
    if (Math.abs(value) > MAX_INTEGER) throw malformed(`is beyond ${MAX_INTEGER}`);
    return value;
  }

  #count(scanner: JsonScanner): number {
    const value = this.#integer(scanner);
    if (value < 0) throw malformed(`is ${value}: give 0 or a positive integer`);
    return value;
  }

  #list(scanner: JsonScanner, of: Shape): unknown[] {
    let index = 0;
    return scanner.list(() => {
      this.#path.push(`[${index++}]`);
      const value = this.#something(scanner, of);
      this.#path.pop();
      return value;
    });
  }

  #map(scanner: JsonScanner, of: Shape): ReadonlyMap<string, unknown> {
    const values = new Map<string, unknown>();
    scanner.enterObject();
    for (let name = scanner.nextField(); name !== undefined; name = scanner.nextField()) {
      this.#path.push(`[${JSON.stringify(name.slice(0, SHOWN_CHARACTERS))}]`);
      if (values.has(name)) throw malformed("given twice");
      values.set(name, this.#something(scanner, of));
      this.#path.pop();
    }
    return values;
  }

  #something(scanner: JsonScanner, shape: Shape): unknown {
    const value = this.#value(scanner, shape);
    if (value === undefined) throw malformed("is nothing");
    return value;
  }

  #choice(scanner: JsonScanner, fields: Fields): Choice {
    let chosen: Choice | undefined;
    const known = Object.keys(fields);
    this.#fields(scanner, known, (name) => {
      if (chosen !== undefined) throw malformed(`is one too many: ${chosen.name} is there already`);
      chosen = { name, value: this.#something(scanner, (fields[name] as Fields[string]).shape) };
    });
    if (chosen === undefined) throw malformed(`is empty: give one of ${known.join(", ")}`);
    return chosen;
  }
}

/** Those of the table, and those of data in base64. */
function namesOf(fields: Fields): string[] {
  return Object.entries(fields).flatMap(([name, { shape }]) =>
    shape.kind === "data" ? [name, `${BASE64_PREFIX}${name}`] : [name],
  );
}

export function textOf(text: string, mayBeEmpty: boolean): string | undefined {
  return text === "" && !mayBeEmpty ? undefined : text;
}

function malformed(message: string): PolywireError {
  return new PolywireError("protocol-violation", message);
}
