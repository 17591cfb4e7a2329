import { hasProgram } from "@polywire/conformance/testing";
import { Program } from "./program.ts";

/** Whether this machine can have one. */
export const hasBlackHole: boolean = process.platform === "linux" && hasProgram("python3", "--version");

/**
 * An address of this machine at which every SYN is dropped: a backlog that is full, and nobody who accepts. It is there
 * once a connection to it was seen to stay in SYN_SENT, which is 2.
 */
const SCRIPT = `
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(0)
fill = []
for _ in range(4):
    c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); fill.append(c)
assert fill[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 2
print("port", s.getsockname()[1], flush=True)
sys.stdin.read()
`;

export interface BlackHole extends AsyncDisposable {
  readonly port: number;
}

/** @param port any free one, if it is 0. */
export async function blackHole(port = 0): Promise<BlackHole> {
  const program = Program.start("python3", ["-c", SCRIPT, String(port)]);
  const [, bound] = await program.prints(/port (\d+)\n/);
  return { port: Number(bound), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
