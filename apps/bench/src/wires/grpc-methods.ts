import type { MethodDefinition } from "@grpc/grpc-js";

const bytes = (value: Buffer): Buffer => value;

function method(path: string, isStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

export const unaryEcho: MethodDefinition<Buffer, Buffer> = method("/bench.Echo/Unary", false);
export const streamEcho: MethodDefinition<Buffer, Buffer> = method("/bench.Echo/Stream", true);
