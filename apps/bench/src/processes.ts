import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import type { Placement } from "./machine.ts";

const maxErrorBytes = 4096;
const stopGraceMs = 5_000;

/** Starts child processes, pinned where possible, and makes sure that none outlives the bench. */
export class Processes {
  readonly #placement: Placement | undefined;
  readonly #running = new Set<ChildProcess>();

  constructor(placement: Placement | undefined) {
    this.#placement = placement;
  }

  start(command: readonly [string, ...string[]], stdio: StdioOptions, role: "server" | "generator"): Child {
    const placed = this.#placement;
    const core = role === "server" ? placed?.serverCore : placed?.generatorCore;
    const [file, ...args] = placed === undefined ? command : [placed.taskset, "-c", String(core), ...command];
    const child = spawn(file, args, { stdio });
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return new Child(child, role);
  }

  /** At once and without a word; for the end of the bench itself. */
  killAll(): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}

/** One child process: its last words kept, its end awaited with a deadline. */
export class Child {
  readonly process: ChildProcess;
  readonly #role: string;
  readonly #ended: Promise<void>;
  #lastWords = "";

  constructor(process: ChildProcess, role: string) {
    this.process = process;
    this.#role = role;
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-maxErrorBytes);
    });
    this.#ended = new Promise((resolve) => {
      process.once("exit", () => resolve());
      process.once("error", (error) => {
        this.#lastWords += error.message;
        resolve();
      });
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`the ${this.#role} did not start: ${this.#lastWords}`);
    return this.process.pid;
  }

  /** What `attach` resolves with, unless the process ends or the deadline passes first. */
  async expect<T>(what: string, deadlineMs: number, attach: (resolve: (value: T) => void) => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`the ${this.#role} gave no ${what} in ${deadlineMs / 1000} s\n${this.#lastWords}`));
      }, deadlineMs);
    });
    const end = this.#ended.then((): never => {
      throw new Error(`the ${this.#role} ended before its ${what}\n${this.#lastWords}`);
    });
    try {
      return await Promise.race([new Promise<T>(attach), end, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** After the process was asked to end: waits, then insists. */
  async stopped(): Promise<void> {
    const timer = setTimeout(() => this.process.kill("SIGKILL"), stopGraceMs);
    await this.#ended;
    clearTimeout(timer);
  }
}
