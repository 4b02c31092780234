"""254 masters and their backups in a flood of forged frames for all of them."""

import re
import sys
import time
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Vipd
from bench.crowd import GROUPS, OWN_WITHIN, wait_owns
from bench.processes import cpu, descendants
from bench.regularity import SETTLE, capture, lateness
from vipd.carp.packet import Advertisement, encode
from vipd.lab import Host, Lab, Process
from vipd.linux.announce import announcement
from vipd.linux.family import multicast_mac

RATE = 20_000  # frames a second
SECONDS = 30.0

LATE = "latest advertisement"
LINES = "log lines in half a minute"
TRANSITIONS = "transitions"
MASTER_CPU, BACKUP_CPU = "CPU of the master", "CPU of the backup"
SENT = "forged frames a second"

_FORGER = bytes.fromhex("02000000000f")
#: Sends the frames of a file, one after the other: INTERFACE FILE RATE SECONDS
_FLOOD = """
import itertools, pathlib, socket, sys, time
interface, file, rate, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
frames = itertools.cycle([bytes.fromhex(each) for each in pathlib.Path(file).read_text().split()])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((interface, 0))
start, sent = time.monotonic(), 0
while (passed := time.monotonic() - start) < seconds:
    while sent < passed * rate:
        wire.send(next(frames))
        sent += 1
    time.sleep(0.001)
print("sent", sent, flush=True)
"""


def forged() -> dict[str, float]:
    """How late the latest advertisement of a master is (ms), what both log, and what it costs."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        listener, forger = lab.host("client", "198.51.100.10/24"), lab.host("forger")
        groups = GROUPS[:254]
        master = Vipd().start(web01, groups, preferred=True, directory=directory)
        wait_owns(web01, len(groups), OWN_WITHIN)
        backup = Vipd().start(web02, groups, preferred=False, directory=directory)
        time.sleep(SETTLE)
        file = directory / "frames"
        file.write_text("\n".join(frame.hex() for frame in _frames()))
        daemons = (master, backup)
        marks, pids = [each.mark() for each in daemons], [descendants(each.pid) for each in daemons]
        genuine = "ip proto 112 and src host 198.51.100.179"
        with capture(listener, directory / "packets", genuine) as sent:
            before, began = [cpu(each) for each in pids], time.monotonic()
            rate = _flood(forger, file)
            share = 100 / (time.monotonic() - began)
            used = [(cpu(each) - was) * share for each, was in zip(pids, before, strict=True)]
            time.sleep(1.5)
        said = [each.log(mark) for each, mark in zip(daemons, marks, strict=True)]
        return {
            LATE: max(lateness(sent())) * 1000,
            TRANSITIONS: sum(len(re.findall("Switching to state", each)) for each in said),
            LINES: max(each.count("\n") for each in said),
            MASTER_CPU: used[0],
            BACKUP_CPU: used[1],
            SENT: rate,
        }


def _flood(host: Host, file: Path) -> float:
    command = [sys.executable, "-I", "-S", "-c", _FLOOD, "eth1", file, str(RATE), str(SECONDS)]
    process: Process = host.start(["nice", "-n", "-15", *map(str, command)], name="flood")
    return int(process.wait_for(r"sent (\d+)", timeout=3 * SECONDS)[1]) / SECONDS


def _frames() -> list[bytes]:
    """For each group a wrong digest, a wrong TTL, a wrong version, and a stranger's ARP."""
    frames = []
    for group in GROUPS[:254]:
        packet = bytearray(encode(_ad(group.vhid)))
        ttl, version = packet.copy(), packet.copy()
        ttl[8], version[20] = 64, 0x41
        for each in (packet, ttl, version):
            frames.append(multicast_mac(_GROUP) + _FORGER + b"\x08\x00" + each)
        frames.append(announcement(ip_address(group.address), _FORGER))
    return frames


def _ad(vhid: int) -> Advertisement:
    source = IPv4Address("198.51.100.180")
    return Advertisement(source, _GROUP, vhid, 1, 0, 0, 1 << 62, bytes(20))


_GROUP = IPv4Address("224.0.0.18")
