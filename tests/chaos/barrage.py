"""Send frames one after the other, over and over, so many a second; a script of its own.

    python barrage.py INTERFACE FILE RATE SECONDS [MAC]

FILE has a frame in each line, in hex. With MAC (aa:bb:cc:dd:ee:ff) all go to that host alone.
"""

import contextlib
import socket
import sys
import time
from itertools import cycle
from pathlib import Path

TICK = 0.002  # seconds between two batches


def main() -> None:
    interface, file, rate, seconds, *mac = sys.argv[1:]
    frames = [bytes.fromhex(line) for line in Path(file).read_text().split()]
    if mac:
        to = bytes.fromhex(mac[0].replace(":", ""))
        frames = [to + frame[6:] for frame in frames]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    endless = cycle(frames)
    start = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - start) < float(seconds):
        due = int(passed * int(rate))
        for _ in range(due - sent):
            with contextlib.suppress(OSError):  # no room in a queue: it is one less
                wire.send(next(endless))
        sent = due
        time.sleep(TICK)


if __name__ == "__main__":
    main()
