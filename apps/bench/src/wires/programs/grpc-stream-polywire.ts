import { grpc } from "@polywire/grpc";
import { linkEcho } from "../polywire-echo.ts";
import type { EchoProgram } from "../program.ts";

export const program: EchoProgram = linkEcho(grpc(), (port) => `grpc://127.0.0.1:${port}/bench.Echo/Stream`);
