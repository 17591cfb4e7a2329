import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

/** grpcio, the other implementation: gRPC's C core behind Python. */
export class PythonPeer implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;
  #errors = "";

  private constructor(script: string, args: readonly string[]) {
    this.#process = spawn("/usr/bin/python3", ["-u", "-c", script, ...args]);
    this.#process.stderr.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#interface = createInterface({ input: this.#process.stdout });
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  static start(script: string, ...args: readonly (string | number)[]): PythonPeer {
    return new PythonPeer(script, args.map(String));
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error(`python has ended: ${this.#errors}`);
    return next.value;
  }

  /** Everything it still prints. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next())
      lines.push(next.value);
    if (this.#errors.includes("Traceback")) throw new Error(this.#errors);
    return lines;
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = this.#process.exitCode !== null || this.#process.signalCode !== null;
    const exited = new Promise((resolve) => void this.#process.once("close", resolve));
    this.#interface.close();
    this.#process.kill("SIGKILL");
    if (!isOver) await exited;
  }
}
