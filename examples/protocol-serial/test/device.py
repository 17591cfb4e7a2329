"""A serial line with a device at its end, offered on a Unix socket as a terminal server does: device.py SOCKET

The line is a pseudo-terminal. The device speaks SLIP as RFC 1055 writes it out, with an end before each message too, and
answers every message with its bytes in reverse.
"""

import os
import pty
import socket
import sys
import threading
import tty

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD


def packets(line):
    packet, escaped = bytearray(), False
    while chunk := os.read(line, 4096):
        for byte in chunk:
            if escaped:
                packet.append({ESC_END: END, ESC_ESC: ESC}[byte])
                escaped = False
            elif byte == ESC:
                escaped = True
            elif byte != END:
                packet.append(byte)
            elif packet:
                yield bytes(packet)
                packet = bytearray()


def device(line):
    for packet in packets(line):
        answer = bytearray([END])
        for byte in reversed(packet):
            answer += {END: bytes([ESC, ESC_END]), ESC: bytes([ESC, ESC_ESC])}.get(byte, bytes([byte]))
        answer.append(END)
        while answer:
            answer = answer[os.write(line, answer) :]


def copy_to_peer(master, peer):
    while chunk := os.read(master, 4096):
        peer.sendall(chunk)


master, line = pty.openpty()
tty.setraw(line)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)

peer, _ = server.accept()
threading.Thread(target=device, args=[line], daemon=True).start()
threading.Thread(target=copy_to_peer, args=[master, peer], daemon=True).start()
while chunk := peer.recv(4096):
    while chunk:
        chunk = chunk[os.write(master, chunk) :]
print("the peer has ended", flush=True)
