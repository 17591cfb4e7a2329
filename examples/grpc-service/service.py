"""Joins a channel over gRPC and answers whoever says something in it.

usage: service.py HOST:PORT CHANNEL
"""

import json
import queue
import sys

import client_pb2
import grpc

METHOD = "/polywire.centrifuge.v1.Centrifuge/Connect"


def main(address: str, channel: str) -> None:
    commands: queue.SimpleQueue = queue.SimpleQueue()
    with grpc.insecure_channel(address) as wire:
        connect = wire.stream_stream(
            METHOD,
            request_serializer=client_pb2.Command.SerializeToString,
            response_deserializer=client_pb2.Reply.FromString,
        )
        replies = connect(iter(commands.get, None))
        name = json.dumps({"name": "service"}).encode()
        commands.put(client_pb2.Command(id=1, connect=client_pb2.ConnectRequest(name="python", data=name)))
        commands.put(client_pb2.Command(id=2, subscribe=client_pb2.SubscribeRequest(channel=channel)))
        own, next_id = "", 3
        for reply in replies:
            if reply.error.code:
                sys.exit(f"{reply.error.code}: {reply.error.message}")
            if not reply.id and not reply.HasField("push"):
                # An empty reply is a ping, an empty command its pong.
                commands.put(client_pb2.Command())
            elif reply.HasField("connect"):
                own = reply.connect.client
            elif reply.HasField("subscribe"):
                print(f"in {channel}", flush=True)
            elif reply.push.HasField("pub") and reply.push.pub.info.client != own:
                said = json.loads(reply.push.pub.data).get("text", "")
                print(f"heard: {said}", flush=True)
                answer = json.dumps({"text": f"{len(said)} characters: {said}"}).encode()
                request = client_pb2.PublishRequest(channel=channel, data=answer)
                commands.put(client_pb2.Command(id=next_id, publish=request))
                next_id += 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
