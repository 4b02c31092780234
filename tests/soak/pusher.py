"""The host that forces transitions, a script of its own: better than everybody for a while, then
gone with a bow-out, and again.

    python pusher.py INTERFACE FILE SECONDS-THERE SECONDS-AWAY

A line of FILE is the two frames of a group, in hex: its advertisement and its bow-out. Frames leave
a few at a time, as those of many hosts would.
"""

import socket
import sys
import time
from pathlib import Path

AT_ONCE = 16  # frames
PAUSE = 0.02  # seconds between those


def send(wire: socket.socket, frames: list[bytes]) -> None:
    for start in range(0, len(frames), AT_ONCE):
        for frame in frames[start : start + AT_ONCE]:
            wire.send(frame)
        time.sleep(PAUSE)


def main() -> None:
    interface, file, there, away = sys.argv[1:]
    lines = Path(file).read_text().splitlines()
    pairs = [[bytes.fromhex(word) for word in line.split()] for line in lines]
    better, farewells = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    while True:
        end = time.monotonic() + float(there)
        while time.monotonic() < end:
            send(wire, better)
            time.sleep(1 - len(better) / AT_ONCE * PAUSE)
        send(wire, farewells)
        time.sleep(float(away))


if __name__ == "__main__":
    main()
