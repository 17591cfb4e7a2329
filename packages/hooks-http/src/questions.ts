import { Buffer } from "node:buffer";
import type { AuthenticateRequest, AuthorizeRequest, ProcedureCall, PublishRequest } from "@polywire/realtime";

/** Who is asked about, as every question has it. */
interface Asker {
  readonly client: string;
  readonly user: string;
  readonly meta?: unknown;
}

export function connectQuestion(request: AuthenticateRequest): string {
  const { client, origin, token, data, name, version, channels, before } = request;
  return written(
    {
      ...asker({ client, user: before?.user ?? "", meta: before?.meta }),
      transport: origin.transport,
      protocol: origin.encoding,
      ...(name !== undefined && { name }),
      ...(version !== undefined && { version }),
      ...(channels !== undefined && { channels }),
      ...(token !== undefined && { token }),
      ...(origin.address !== undefined && { address: origin.address }),
    },
    data,
  );
}

export function subscribeQuestion(request: AuthorizeRequest): string {
  const { channel, token, data } = request;
  return written({ ...asker(request), channel, ...(token !== undefined && { token }) }, data);
}

export function publishQuestion(request: PublishRequest): string {
  return written({ ...asker(request), channel: request.channel }, request.data);
}

export function rpcQuestion(call: ProcedureCall): string {
  return written({ ...asker(call), method: call.method }, call.data);
}

function asker({ client, user, meta }: Asker): object {
  return { client, user, ...(meta !== undefined && { meta }) };
}

/** Data that are JSON stay as the client wrote them; others go as base64 under another name. */
function written(fields: object, data: Uint8Array | undefined): string {
  const text = JSON.stringify(fields);
  if (data === undefined || data.length === 0) return text;
  const json = jsonText(data);
  const member = json === undefined ? `"b64data":"${Buffer.from(data).toString("base64")}"` : `"data":${json}`;
  return `${text.slice(0, -1)},${member}}`;
}

function jsonText(data: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}
