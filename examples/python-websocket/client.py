"""Joins a channel over WebSocket without an SDK, says something and prints what is said.

usage: client.py URL CHANNEL TEXT
"""

import asyncio
import json
import sys

import websockets


async def main(url: str, channel: str, text: str) -> None:
    async with websockets.connect(url) as socket:
        say = lambda command: socket.send(json.dumps(command))
        await say({"id": 1, "connect": {"data": {"name": "python"}}})
        await say({"id": 2, "subscribe": {"channel": channel}})
        await say({"id": 3, "publish": {"channel": channel, "data": {"text": text}}})
        async for frame in socket:
            for line in frame.splitlines():
                message = json.loads(line)
                if not message:
                    # An empty message is a ping, and so is its pong.
                    await socket.send("{}")
                elif "error" in message:
                    sys.exit(f"{message['error']['code']}: {message['error']['message']}")
                elif "pub" in message.get("push", {}):
                    print(message["push"]["pub"]["data"]["text"], flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
