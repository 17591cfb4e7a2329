import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";

export interface RunningCommand extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  readonly output: string;
  readonly errors: string;
  /** Fulfilled when the output matches; fails when the command ends first. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** The same for what it says on the standard error. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** Fulfilled with the exit code, or the name of the signal that ended the command. */
  ended(): Promise<number | NodeJS.Signals>;
}

interface CommandOptions {
  /** Where it runs. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A shell line to run before, such as `ulimit -n 300`. */
  readonly before?: string;
  readonly nodeFlags?: readonly string[];
}

const COMMAND = path.join(import.meta.dirname, "../src/polywire.ts");

/** Starts the real command in a process of its own. It is killed when the test ends before it. */
export function runPolywire(commandArguments: readonly string[], options: CommandOptions = {}): RunningCommand {
  return runScript([COMMAND, ...commandArguments], options);
}

/** The same for another script, the first of the arguments. */
export function runScript(scriptAndArguments: readonly string[], options: CommandOptions = {}): RunningCommand {
  const { nodeFlags = [] } = options;
  const node = [process.execPath, "--conditions=@polywire/source", ...nodeFlags, ...scriptAndArguments];
  const shell = options.before === undefined ? node : ["bash", "-c", `${options.before} && exec "$@"`, "bash", ...node];
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(POLYWIRE|NODE|VITEST)/.test(name)),
  );
  const where = options.folder === undefined ? {} : { cwd: options.folder };
  const child = spawn(shell[0] ?? "", shell.slice(1), { ...where, env: { ...environment, ...options.environment } });
  const printed = { output: "", errors: "" };
  const waiting = new Set<() => void>();
  let end: number | NodeJS.Signals | undefined;
  const tell = (): void => {
    for (const look of waiting) look();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed.output += text;
    tell();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    printed.errors += text;
    tell();
  });
  child.on("close", (code, signal) => {
    end = code ?? signal ?? -1;
    tell();
  });

  const found = (where: "output" | "errors", pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(printed[where]);
        if (match === null && end === undefined) return;
        waiting.delete(look);
        if (match !== null) resolve(match);
        else reject(new Error(`ended with ${end} before ${pattern} came: ${printed.output}${printed.errors}`));
      };
      waiting.add(look);
      look();
    });

  return {
    process: child,
    get output() {
      return printed.output;
    },
    get errors() {
      return printed.errors;
    },
    printed: (pattern) => found("output", pattern),
    said: (pattern) => found("errors", pattern),
    async ended() {
      if (end === undefined) await once(child, "close");
      return end ?? -1;
    },
    async [Symbol.asyncDispose]() {
      if (end !== undefined) return;
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

/** Ports that nobody listens at. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Whether something accepts connections at the port. */
export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
