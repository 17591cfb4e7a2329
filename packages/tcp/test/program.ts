import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** A program from outside, with everything it prints. It is killed when the test ends before it. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  #printed = "";
  #wake: () => void = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#printed += chunk.toString();
      this.#wake();
    });
    child.on("exit", () => this.#wake());
  }

  static start(program: string, programArguments: readonly string[]): Program {
    return new Program(spawn(program, programArguments, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends its input. */
  end(): void {
    this.#child.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#printed);
      if (found !== null) return found;
      if (!this.#isRunning) throw new Error(`ended before it printed ${pattern}: ${this.#printed}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  get #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isRunning && this.#child.kill("SIGKILL")) await once(this.#child, "exit");
  }
}
