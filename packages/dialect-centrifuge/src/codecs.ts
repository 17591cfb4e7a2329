import { Broadcast } from "./broadcast.ts";
import type { EncodingGroup } from "./client-outlet.ts";
import type { Codec, EncodingName, Layout } from "./codec.ts";
import { JsonCodec } from "./json-codec.ts";
import type { CompleteOptions } from "./options.ts";
import { Patches } from "./patches.ts";
import { ProtobufCodec } from "./protobuf-codec.ts";
import { ProtobufLibrary } from "./protobuf-library.ts";

/** How one client is spoken to. */
export interface Speech {
  readonly encoding: EncodingName;
  readonly layout: Layout;
  readonly isUnidirectional?: boolean;
}

/** The codecs of a handler, each made when the first client needs it. Clients that are spoken to alike share one. */
export class Codecs {
  readonly #options: CompleteOptions;
  /** By {@link indexOf}: this is looked up for every client, and a text to look it up by would have to be made. */
  readonly #groups: EncodingGroup[] = [];
  readonly #patches = new Patches();
  #library: ProtobufLibrary | undefined = undefined;

  constructor(options: CompleteOptions) {
    this.#options = options;
  }

  get library(): ProtobufLibrary {
    this.#library ??= new ProtobufLibrary();
    return this.#library;
  }

  group(speech: Speech): EncodingGroup {
    const index = indexOf(speech);
    let group = this.#groups[index];
    if (group === undefined) {
      const { encoding, layout, isUnidirectional = false } = speech;
      const form = { layout, isUnidirectional };
      const codec: Codec = encoding === "json" ? new JsonCodec(form) : new ProtobufCodec(form, this.library);
      // Who speaks bare Protobuf has a schema, and no other place to look for the code than its messages.
      const tellsEnd = encoding === "protobuf" && layout === "whole";
      group = { codec, broadcast: new Broadcast(codec, this.#patches), options: this.#options, tellsEnd };
      this.#groups[index] = group;
    }
    return group;
  }
}

const PLACE_OF_LAYOUT: Readonly<Record<Layout, number>> = { whole: 0, parted: 2, event: 4 };

/** Another number for each way of speaking. */
function indexOf({ encoding, layout, isUnidirectional = false }: Speech): number {
  return (encoding === "json" ? 0 : 6) + PLACE_OF_LAYOUT[layout] + (isUnidirectional ? 1 : 0);
}
