import { ws } from "@polywire/ws";
import { linkEcho } from "../polywire-echo.ts";
import type { EchoProgram } from "../program.ts";

export const program: EchoProgram = linkEcho(ws(), (port) => `ws://127.0.0.1:${port}/`);
