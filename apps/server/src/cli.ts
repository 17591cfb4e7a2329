import { type MetricFamily, PolywireError } from "@polywire/core";
import { createLogger, type LogWriter } from "@polywire/log";
import { Command, CommanderError } from "commander";
import { type CommandHost, EXIT_USAGE, oneError } from "./command-host.ts";
import { addConnectCommand } from "./commands/connect.ts";
import { addProbeCommand } from "./commands/probe.ts";
import { addPubCommand } from "./commands/pub.ts";
import { addSubCommand } from "./commands/sub.ts";
import { addTokenCommand } from "./commands/token.ts";
import { type LoadedConfig, loadConfig } from "./config/load.ts";
import type { ServerConfig } from "./config/schema.ts";
import { ProcessFigures } from "./process-figures.ts";
import { Reloads } from "./reloads.ts";
import { startServer, VERSION } from "./server.ts";
import { serveUntilSignal } from "./signals.ts";
import { Terminal } from "./terminal.ts";

/** Runs the `polywire` command; fulfilled with its exit code. */
export async function runCommand(commandArguments: readonly string[], host: CommandHost): Promise<number> {
  let exitCode = 0;
  const program = new Command("polywire")
    .description("Channels, history and presence for every client, over every wire.")
    .version(VERSION, "-v, --version", "print the version")
    .helpOption("-h, --help", "print help for a command")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: host.out, writeErr: host.error, outputError: (text, write) => write(oneError(text)) });

  program
    .command("serve")
    .description("start the server; without --config everything listens on this machine alone")
    .option("-c, --config <file>", "YAML or JSON file (or POLYWIRE_CONFIG)")
    .addHelpText("after", SERVE_HELP)
    .action(async (options: { config?: string }) => {
      exitCode = await serve(options.config, host);
    });

  program
    .command("check-config")
    .description("check a configuration without serving it; exit code 2 if it is wrong")
    .argument("[file]", "YAML or JSON file (or POLYWIRE_CONFIG); without one, the defaults and the environment")
    .option("--json", "print the complete configuration as JSON")
    .action((file: string | undefined, options: { json?: true }) => {
      exitCode = checkConfig(file, options, host);
    });

  const finish = (code: number): void => {
    exitCode = code;
  };
  addConnectCommand(program, host, finish);
  addProbeCommand(program, host, finish);
  addPubCommand(program, host, finish);
  addSubCommand(program, host, finish);
  addTokenCommand(program, host, finish);

  try {
    await program.parseAsync([...commandArguments], { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  return exitCode;
}

const SERVE_HELP = `
Every key of the configuration is also an environment variable:
limits.messageBytes is POLYWIRE_LIMITS_MESSAGE_BYTES.

SIGHUP reads the configuration and the certificates anew.
SIGTERM or SIGINT stops the server politely; a second one stops it at once.`;

async function serve(file: string | undefined, host: CommandHost): Promise<number> {
  const loaded = load(file, host);
  if (loaded === undefined) return EXIT_USAGE;
  const { config, doubts } = loaded;
  const logger = createLogger(config.log);
  for (const doubt of doubts) logger.log("warn", "config", "probably not meant", { doubt });
  const figures = new ProcessFigures();
  try {
    const reloads = new Reloads(() => loadConfig(file, host.environment), logger);
    const metrics = (): MetricFamily[] => [...logger.metrics(), ...reloads.metrics(), ...figures.metrics()];
    const server = await startServer(config, { logger, metrics });
    const terminal = new Terminal();
    const reload = (): void => reloads.reload(server);
    return await serveUntilSignal(server, { logger, signals: host.signals, exit: host.exit, reload, terminal });
  } catch (thrown) {
    return await cannotServe(thrown, { logger, host });
  } finally {
    figures.close();
    await logger.flush();
  }
}

async function cannotServe(
  thrown: unknown,
  { logger, host }: { logger: LogWriter; host: CommandHost },
): Promise<number> {
  await logger.flush();
  const error = PolywireError.from(thrown);
  host.error(oneError(error.message));
  return EXIT_USAGE;
}

function checkConfig(file: string | undefined, options: { json?: true }, host: CommandHost): number {
  const loaded = load(file, host);
  if (loaded === undefined) return EXIT_USAGE;
  for (const doubt of loaded.doubts) host.error(`polywire: warning: ${doubt}\n`);
  const { listen, internal, channels } = loaded.config;
  const count = `${listen.length + internal.length} addresses, ${channels.length} channel rules`;
  host.out(
    options.json
      ? `${JSON.stringify(withoutSecrets(loaded.config), null, 2)}\n`
      : `${loaded.file ?? "defaults"}: ok (${count})\n`,
  );
  return 0;
}

/** What is printed is seen, and kept: keys are counted, not shown. */
function withoutSecrets({ api, ...config }: ServerConfig): object {
  return { ...config, api: { keys: api.keys.length, keyFile: api.keyFile } };
}

function load(file: string | undefined, host: CommandHost): LoadedConfig | undefined {
  try {
    return loadConfig(file, host.environment);
  } catch (thrown) {
    host.error(oneError(PolywireError.from(thrown).message));
    return undefined;
  }
}
