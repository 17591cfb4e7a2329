"""A sensor that tells its temperature once a second, in single datagrams.

usage: sensor.py HOST PORT [COUNT]
"""

import json
import random
import socket
import sys
import time


def main(host: str, port: str, count: str = "0") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        temperature, sent = 21.0, 0
        while True:
            temperature += random.uniform(-0.3, 0.3)
            connect = {"id": 1, "connect": {"data": {"name": "sensor"}}}
            data = {"text": f"{temperature:.1f} °C"}
            publish = {"id": 2, "publish": {"channel": "chat:garden", "data": data}}
            frame = f"{json.dumps(connect)}\n{json.dumps(publish)}"
            wire.sendto(frame.encode(), (host, int(port)))
            sent += 1
            if sent == int(count):
                return
            time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
