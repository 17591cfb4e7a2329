import { type ClientInfo, PolywireError, type Publication } from "@polywire/core";
import type { Choice, Fields, Shape, Values } from "./fields.ts";

/** What a value takes besides its own bytes: names, signs, numbers. */
const VALUE_BYTES = 16;
const PUBLICATION_BYTES = 128;

/**
 * Checks that an answer is not too large before any of it is written: what it holds lies in the hub and is shared, but what is
 * written is new.
 *
 * @throws PolywireError `too-large` past about so many bytes.
 */
export function checkAnswerSize(values: Values, fields: Fields, maxBytes: number): void {
  const measure = new Measure(maxBytes);
  measure.fields(values, fields);
}

class Measure {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  fields(values: Values, fields: Fields): void {
    for (const [name, { shape }] of Object.entries(fields)) {
      if (values[name] !== undefined) this.#value(values[name], shape);
    }
  }

  #value(value: unknown, shape: Shape): void {
    switch (shape.kind) {
      case "text":
        return this.#add((value as string).length);
      case "list":
        for (const one of value as readonly unknown[]) this.#value(one, shape.of);
        return undefined;
      case "map":
        for (const [name, one] of value as ReadonlyMap<string, unknown>) {
          this.#add(name.length);
          this.#value(one, shape.of);
        }
        return undefined;
      case "object":
        return this.fields(value as Values, shape.fields);
      case "choice": {
        const { name, value: chosen } = value as Choice;
        return this.#value(chosen, (shape.fields[name] as Fields[string]).shape);
      }
      case "publication":
        return this.#publication(value as Publication);
      case "client":
        return this.#client(value as ClientInfo);
      default:
        return this.#add(0);
    }
  }

  #publication({ data, info, tags }: Publication): void {
    this.#add(PUBLICATION_BYTES + data.length);
    if (info !== undefined) this.#client(info);
    if (tags !== undefined) for (const [name, value] of tags) this.#add(name.length + value.length);
  }

  #client({ user, client, connectionInfo, channelInfo }: ClientInfo): void {
    this.#add(user.length + client.length + (connectionInfo?.length ?? 0) + (channelInfo?.length ?? 0));
  }

  #add(bytes: number): void {
    this.#bytes += VALUE_BYTES + bytes;
    if (this.#bytes <= this.#maxBytes) return;
    throw new PolywireError("too-large", `the answer would be over ${this.#maxBytes} bytes: ask for less`);
  }
}
