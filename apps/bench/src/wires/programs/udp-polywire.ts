import { udp } from "@polywire/udp";
import { linkEcho } from "../polywire-echo.ts";
import type { EchoProgram } from "../program.ts";

export const program: EchoProgram = linkEcho(udp(), (port) => `udp://127.0.0.1:${port}`);
