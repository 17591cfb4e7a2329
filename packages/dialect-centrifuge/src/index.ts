// What programs use.
export { type CentrifugeHandler, type CentrifugeStats, centrifuge } from "./centrifuge.ts";
export type { DatagramStats } from "./datagrams.ts";
export type { CentrifugeOptions } from "./options.ts";
export { type ApiKeySource, checkApiKey } from "./server-api/api-keys.ts";
export type { ServerApiStats } from "./server-api/call-counts.ts";
export { openApiDocument } from "./server-api/openapi.ts";
export { type ServerApiHandler, type ServerApiOptions, serverApi } from "./server-api/server-api.ts";
