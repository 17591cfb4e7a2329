import { tcp } from "@polywire/tcp";
import { linkEcho } from "../polywire-echo.ts";
import type { EchoProgram } from "../program.ts";

export const program: EchoProgram = linkEcho(tcp({ framing: "u32" }), (port) => `tcp://127.0.0.1:${port}`);
