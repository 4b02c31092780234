"""Send one frame from an interface so often a second, for some seconds; a script of its own.

    python flood.py INTERFACE FRAME-IN-HEX RATE SECONDS

Prints how many a second it were.
"""

import socket
import sys
import time

TICK = 0.005  # seconds between two batches


def main() -> None:
    interface, frame, rate, seconds = sys.argv[1:]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    data = bytes.fromhex(frame)
    start = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - start) < float(seconds):
        due = int(passed * int(rate))
        for _ in range(due - sent):
            wire.send(data)
        sent = due
        time.sleep(TICK)
    print(f"{sent / passed:.0f} a second")


if __name__ == "__main__":
    main()
