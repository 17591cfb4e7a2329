import { PolywireError, type Response } from "@polywire/core";
import { statusOf } from "./answer.ts";
import { GRPC_STATUS, statusError } from "./status.ts";

/** What is needed of a method definition that a generated client carries. */
export interface CallMethod<Request, Answer> {
  /** Full name: `/package.Service/Method`. */
  readonly path: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
  readonly requestSerialize: (request: Request) => Uint8Array;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

/** The one message of the answer. */
export async function readAnswer<Answer>(
  method: Pick<CallMethod<never, Answer>, "responseDeserialize">,
  response: Response,
  purpose: string,
): Promise<Answer> {
  let answer: { readonly value: Answer } | undefined;
  for await (const value of readAnswers(method, response, purpose)) {
    if (answer !== undefined)
      throw new PolywireError("protocol-violation", `${purpose}: two messages came where one was promised`);
    answer = { value };
  }
  if (answer === undefined)
    throw new PolywireError("protocol-violation", `${purpose}: the answer was OK, but had no message`);
  return answer.value;
}

/** The messages of the answer. @throws PolywireError for every status but OK. */
export async function* readAnswers<Answer>(
  { responseDeserialize }: Pick<CallMethod<never, Answer>, "responseDeserialize">,
  { headers, body }: Response,
  purpose: string,
): AsyncGenerator<Answer, void, undefined> {
  for await (const message of body) yield decode(responseDeserialize, message, purpose);
  const status = statusOf(Object.fromEntries(headers));
  if (status !== undefined && status.code !== GRPC_STATUS.OK) throw statusError(purpose, status);
}

function decode<Answer>(deserialize: (bytes: Buffer) => Answer, message: Uint8Array, purpose: string): Answer {
  try {
    return deserialize(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  } catch (cause) {
    throw new PolywireError("protocol-violation", `${purpose}: the answer cannot be decoded`, { cause });
  }
}
