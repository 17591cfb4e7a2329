import { type MetricFamily, PolywireError } from "@polywire/core";
import type { LogWriter } from "@polywire/log";
import type { LoadedConfig } from "./config/load.ts";
import type { RunningServer } from "./server.ts";

/** What a reload came to: all of the file is in force, some of it waits for a restart, or nothing has changed. */
type ReloadResult = "applied" | "restart needed" | "refused";

/** Has a running server take its configuration anew, and counts how that went. */
export class Reloads {
  readonly #load: () => LoadedConfig;
  readonly #levels: Pick<LogWriter, "setLevels">;
  readonly #counts: Record<ReloadResult, number> = { applied: 0, "restart needed": 0, refused: 0 };
  #last: ReloadResult = "applied";

  /** @param load reads and checks the configuration, from the same places as at the start. */
  constructor(load: () => LoadedConfig, levels: Pick<LogWriter, "setLevels">) {
    this.#load = load;
    this.#levels = levels;
  }

  /** Never throws: with a bad configuration everything stays as it is, and the log says which key is to blame. */
  reload(server: Pick<RunningServer, "reload" | "logger">): void {
    const { logger } = server;
    try {
      const { config, file = "defaults", doubts } = this.#load();
      const needRestart = server.reload(config);
      this.#levels.setLevels(config.log);
      for (const doubt of doubts) logger.log("warn", "config", "probably not meant", { doubt });
      if (needRestart.length === 0) {
        this.#finish("applied");
        logger.log("info", "config", "reloaded", { file });
      } else {
        this.#finish("restart needed");
        logger.log("warn", "config", "reloaded, but for what needs a restart", { file, needRestart });
      }
    } catch (thrown) {
      this.#finish("refused");
      const { message } = PolywireError.from(thrown, "invalid-argument");
      logger.log("error", "config", "not reloaded: everything stays as it was", { problem: message });
    }
  }

  metrics(): readonly MetricFamily[] {
    const results = Object.entries(this.#counts);
    return [
      {
        name: "polywire.config.reloads",
        description: "Reloads of the configuration, by what they came to.",
        unit: "{reload}",
        kind: "counter",
        points: results.map(([result, value]) => ({ attributes: { "polywire.reload.result": result }, value })),
      },
      {
        name: "polywire.config.current",
        description: "1 if all of the configuration is in force, 0 if some of it waits for a restart or to be mended.",
        unit: "{state}",
        kind: "gauge",
        points: [{ attributes: {}, value: this.#last === "applied" ? 1 : 0 }],
      },
    ];
  }

  #finish(result: ReloadResult): void {
    this.#counts[result]++;
    this.#last = result;
  }
}
