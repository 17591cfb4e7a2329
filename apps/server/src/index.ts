// For programs that run the server inside themselves.

export type { ListenAddress } from "./config/address.ts";
export { type LoadedConfig, loadConfig } from "./config/load.ts";
export type {
  ApiConfig,
  ChannelConfig,
  ClientConfig,
  LimitsConfig,
  LogConfig,
  ServerConfig,
  ShutdownConfig,
} from "./config/schema.ts";
export { type RunningServer, type ServerOptions, startServer, VERSION } from "./server.ts";
