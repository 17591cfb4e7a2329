import type { ChannelData } from "./channel-data.ts";
import type { Output } from "./output.ts";

/** A publication as the SDK and the server API give it. */
export interface ShownPublication {
  readonly data: unknown;
  readonly offset?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly info?: { readonly client: string; readonly user: string };
}

/** How publications are printed. */
export interface LineForm {
  readonly output: Output;
  readonly data: ChannelData;
  readonly isJson: boolean;
  /** The channel's name comes before each publication. */
  readonly isNamed: boolean;
  /** Asked before each publication whether it shall still be printed. */
  readonly take: () => boolean;
}

/** Prints one publication, unless there have been enough. */
export function writePublication(
  { data, offset, tags, info }: ShownPublication,
  channel: string,
  { data: form, isJson, isNamed, output, take }: LineForm,
): void {
  if (!take()) return;
  if (!isJson) return output.write(`${isNamed ? `${channel}\t` : ""}${form.show(data)}\n`);
  output.writeEvent({
    event: "publication",
    channel,
    ...(offset === undefined ? {} : { offset }),
    ...form.describe(data),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags }),
    ...(info === undefined ? {} : { client: info.client, user: info.user }),
  });
}
