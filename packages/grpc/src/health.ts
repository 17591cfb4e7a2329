import { type Exchanger, PolywireError, type RequestOptions } from "@polywire/core";
import { decodeResponse, encodeRequest, type ServingStatus } from "./health-message.ts";
import { readAnswer, readAnswers } from "./method.ts";
import { GRPC_STATUS, grpcStatusOf } from "./status.ts";

const CHECK = {
  path: "/grpc.health.v1.Health/Check",
  requestSerialize: encodeRequest,
  responseDeserialize: decodeResponse,
} as const;
const WATCH = { ...CHECK, path: "/grpc.health.v1.Health/Watch" } as const;

/** The longest timeout there is: who watches ends by the signal. */
const WATCH_TIMEOUT_MS = 2_147_483_647;

/**
 * Asks a gRPC server for the health of a service (`grpc.health.v1`), or of itself. A server without the health service
 * counts as healthy, one that does not know the service answers SERVICE_UNKNOWN.
 *
 * @throws PolywireError when the server cannot be asked.
 */
export async function checkHealth(
  exchanger: Pick<Exchanger, "endpoint" | "request">,
  service: string = "",
  options: RequestOptions = {},
): Promise<ServingStatus> {
  const purpose = `check the health of "${exchanger.endpoint}"`;
  try {
    const response = await exchanger.request({ method: CHECK.path, body: encodeRequest(service) }, options);
    return await readAnswer(CHECK, response, purpose);
  } catch (thrown) {
    const status = grpcStatusOf(thrown);
    if (status === GRPC_STATUS.UNIMPLEMENTED) return "SERVING";
    if (status === GRPC_STATUS.NOT_FOUND) return "SERVICE_UNKNOWN";
    throw PolywireError.from(thrown, "internal", purpose);
  }
}

/**
 * Watches the health of a service: its status now, then each that follows. It ends when the server ends it, and throws
 * when the connection is lost or the signal fires.
 */
export async function* watchHealth(
  exchanger: Exchanger,
  service: string = "",
  options: RequestOptions = {},
): AsyncGenerator<ServingStatus, void, undefined> {
  const purpose = `watch the health of "${exchanger.endpoint}"`;
  const body = encodeRequest(service);
  const response = await exchanger.request({ method: WATCH.path, body }, { timeoutMs: WATCH_TIMEOUT_MS, ...options });
  yield* readAnswers(WATCH, response, purpose);
}
