import { type CloseInfo, PolywireError } from "@polywire/core";
import { type CallStatus, GRPC_STATUS, isRetryable, nameOfCode, printable } from "./status.ts";

/** RFC 9113, section 7: how a stream is reset. */
export const RESET = { noError: 0, internalError: 2, refusedStream: 7, cancel: 8, enhanceYourCalm: 11 } as const;

/** How a link is ending, once that is decided on this side. */
export interface Ending {
  readonly code: number | undefined;
  readonly reason: string;
  readonly error: PolywireError | undefined;
}

/** What is known of the end of a stream. */
export interface StreamEnd {
  readonly ending: Ending | undefined;
  /** Our end went out behind everything that was sent. */
  readonly isEndSent: boolean;
  /** The status that the server sent. */
  readonly status: CallStatus | undefined;
  readonly resetCode: number;
  /** The connection below is gone, and why if that is known. */
  readonly loss: PolywireError | boolean;
  /** A server's client sends no status: its reset without an error is a peaceful end. */
  readonly isServer: boolean;
  readonly bytesLost: number;
}

export function closeInfo(end: StreamEnd): CloseInfo {
  const { ending, bytesLost, status } = end;
  if (ending !== undefined) {
    const { code, reason, error } = ending;
    return {
      by: "local",
      clean: end.isEndSent && error === undefined && bytesLost === 0,
      ...(code !== undefined && { code }),
      reason,
      retryable: false,
      bytesLost,
      ...(error !== undefined && { error }),
    };
  }
  if (status !== undefined) return endedWith(status, bytesLost);
  if (end.loss !== false) return new Loss(end.loss, bytesLost);
  if (end.isServer && end.resetCode === RESET.noError)
    return { by: "remote", clean: bytesLost === 0, reason: "", retryable: false, bytesLost };
  return new Reset(end.resetCode, bytesLost);
}

function endedWith({ code, message }: CallStatus, bytesLost: number): CloseInfo {
  if (code === GRPC_STATUS.OK) return { by: "remote", clean: bytesLost === 0, reason: "", retryable: false, bytesLost };
  const said = message === "" ? "" : `: ${printable(message)}`;
  const problem = `the server ended the call with ${nameOfCode(code)} (${code})${said}`;
  const retryable = isRetryable(code);
  const error = new PolywireError("connection-reset", problem, { retryable });
  return { by: "remote", clean: false, code, reason: printable(message), retryable, bytesLost, error };
}

/** An end of which the error is made when somebody asks: when a network fails, thousands of links go at once. */
abstract class LazyEnd implements CloseInfo {
  abstract readonly by: "remote" | "network";
  readonly clean = false;
  readonly reason = "";
  readonly retryable = true;
  readonly bytesLost: number;
  #error: PolywireError | undefined = undefined;

  constructor(bytesLost: number) {
    this.bytesLost = bytesLost;
  }

  get error(): PolywireError {
    this.#error ??= this.makeError();
    return this.#error;
  }

  protected abstract makeError(): PolywireError;
}

class Loss extends LazyEnd {
  readonly by = "network";
  readonly #cause: PolywireError | true;

  constructor(cause: PolywireError | true, bytesLost: number) {
    super(bytesLost);
    this.#cause = cause;
  }

  protected override makeError(): PolywireError {
    if (this.#cause !== true) return this.#cause;
    return new PolywireError("connection-reset", "the connection was lost before the call had ended");
  }
}

class Reset extends LazyEnd {
  readonly by = "remote";
  readonly #code: number;

  constructor(code: number, bytesLost: number) {
    super(bytesLost);
    this.#code = code;
  }

  protected override makeError(): PolywireError {
    const what = this.#code === RESET.cancel ? "cancelled the call" : `reset the stream with HTTP/2 code ${this.#code}`;
    return new PolywireError("connection-reset", `the peer ${what}`);
  }
}
