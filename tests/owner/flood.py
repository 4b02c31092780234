"""Send frames from an interface, one after the other and again and again, so many a second for some
seconds; a script of its own.

    python flood.py INTERFACE FILE RATE SECONDS

Each line of the file is a frame in hex.

Prints how many a second it were.
"""

import socket
import sys
import time
from itertools import cycle
from pathlib import Path

TICK = 0.005  # seconds between two batches


def main() -> None:
    interface, file, rate, seconds = sys.argv[1:]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    frames = cycle([bytes.fromhex(line) for line in Path(file).read_text().split()])
    start = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - start) < float(seconds):
        due = int(passed * int(rate))
        for _ in range(due - sent):
            wire.send(next(frames))
        sent = due
        time.sleep(TICK)
    print(f"{sent / passed:.0f} a second")


if __name__ == "__main__":
    main()
