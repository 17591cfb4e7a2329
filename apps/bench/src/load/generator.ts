import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findOnPath } from "../machine.ts";
import type { Child, Processes } from "../processes.ts";
import { type Answer, type Command, commandLine, type DialectName, type Refusal } from "./protocol.ts";

const compileDeadlineMs = 60_000;
/** Longer than any deadline inside the generator. */
const answerDeadlineMs = 60_000;

/** How to start a generator, and what to say about it. */
export interface GeneratorProgram {
  readonly kind: "c" | "node";
  readonly command: readonly [string, ...string[]];
  /** Why it is not the C one, if it is not and that was not asked for. */
  readonly note: string | undefined;
}

function nodeProgram(note: string | undefined): GeneratorProgram {
  return { kind: "node", command: [process.execPath, fileURLToPath(import.meta.resolve("./node-generator.ts"))], note };
}

/** Compiles the C generator, once per version of its source. Without a compiler, or off Linux, the Node one. */
export function generatorProgram(wanted: "c" | "node" | undefined): GeneratorProgram {
  if (wanted === "node") return nodeProgram(undefined);
  const compiled = process.platform === "linux" ? compile() : "the C generator needs Linux";
  if (typeof compiled === "object") return { kind: "c", command: [compiled.file], note: undefined };
  if (wanted === "c") throw new Error(compiled);
  return nodeProgram(`${compiled}; the Node generator is several times heavier`);
}

function compile(): { readonly file: string } | string {
  const source = join(import.meta.dirname, "../../generator/generator.c");
  const compiler = findOnPath("cc");
  if (compiler === undefined) return "no C compiler (cc) on the PATH";
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = join(import.meta.dirname, "../../node_modules/.cache");
  const file = join(folder, `generator-${hash}`);
  if (existsSync(file)) return { file };
  mkdirSync(folder, { recursive: true });
  // Under a name of its own until it is whole: two benches may start at once.
  const partial = `${file}.${process.pid}`;
  const { status, stderr } = spawnSync(compiler, ["-O2", "-o", partial, source], {
    timeout: compileDeadlineMs,
    encoding: "utf8",
  });
  if (status !== 0) return `cc failed: ${stderr.trim().split("\n")[0] ?? "no message"}`;
  renameSync(partial, file);
  return { file };
}

/** A running load generator; one command at a time. */
export class Generator implements AsyncDisposable {
  readonly #child: Child;
  readonly #lines: Interface;

  constructor(processes: Processes, program: GeneratorProgram, target: { port: number; dialect: DialectName }) {
    const command = [...program.command, String(target.port), target.dialect] as const;
    this.#child = processes.start([...command] as [string, ...string[]], ["pipe", "pipe", "pipe"], "generator");
    const { stdin, stdout } = this.#child.process;
    if (stdin === null || stdout === null) throw new Error("the generator has no pipes");
    stdin.on("error", () => {}); // a dead generator is told by its exit
    this.#lines = createInterface({ input: stdout });
  }

  async run(command: Command): Promise<Answer> {
    const line = await this.#child.expect<string>(`answer to ${command.name}`, answerDeadlineMs, (resolve) => {
      this.#lines.once("line", resolve);
      this.#child.process.stdin?.write(`${commandLine(command)}\n`);
    });
    const answer: Answer | Refusal = JSON.parse(line);
    if (!answer.ok) throw new Error(`${commandLine(command)}: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.process.stdin?.end();
    await this.#child.stopped();
    this.#lines.close();
  }
}
