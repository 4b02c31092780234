"""A backup in a flood of genuine advertisements: how many it could take in with one core.

One frame of its real master is taken from the wire and sent again, thousands of times a second.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Contestant
from bench.pair import ADDRESS, GROUPS, SETTLE
from bench.processes import cpu, descendants
from vipd.lab import Lab

RATE = 5000  # packets a second: a third of them may come together without filling a socket
SECONDS = 6.0

COST = "processor time for one packet"
PACKETS = "packets a second and core"

#: Waits for an outgoing frame of protocol 112, then sends it again and again:
#: INTERFACE RATE SECONDS
_REPLAY = """
import socket, sys, time
interface, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((interface, 0))
while True:
    frame, where = wire.recvfrom(2048)
    if where[2] == 4 and frame[12:14] == b"\\x08\\x00" and frame[23] == 112:
        break
print("captured", flush=True)
start, sent = time.monotonic(), 0
while (passed := time.monotonic() - start) < seconds:
    while sent < passed * rate:
        wire.send(frame)
        sent += 1
    time.sleep(0.001)
print("sent", sent, flush=True)
"""


def throughput(kind: Contestant) -> dict[str, float]:
    """Microseconds of processor time a packet, at `RATE` packets a second."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        kind.start(web01, GROUPS, preferred=True, directory=directory)
        lab.wait_owner(ADDRESS, web01.name)
        backup = kind.start(web02, GROUPS, preferred=False, directory=directory)
        backup.wait_for(kind.listening)
        time.sleep(SETTLE)
        pids = descendants(backup.pid)
        replay = web01.start(
            [sys.executable, "-c", _REPLAY, "eth1", str(RATE), str(SECONDS)], name="replay"
        )
        replay.wait_for("captured")
        before = cpu(pids)
        sent = int(replay.wait_for(r"sent (\d+)", timeout=3 * SECONDS)[1])
        used = cpu(pids) - before
        lab.wait_owner(ADDRESS, web01.name)
    return {COST: used / sent * 1e6}
