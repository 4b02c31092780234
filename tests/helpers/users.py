"""Users of a lab host who have no business with vipd, and try to keep it from its work."""

import sys
from collections.abc import Iterable

from vipd.lab import Host, Process

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

# Perl under another name, with a script that is called as the interface: what it is told is what
# ucarp would be told.
_NAMED = f"""
mkdir -p /run/named; cd /run/named; cp "$(command -v perl)" ucarp
interface=$1; shift
echo 'sleep 100000;' >"$interface"
for vhid; do
    {" ".join(NOBODY)} ./ucarp -i "$interface" -v "$vhid" &
done
for process in $(jobs -p); do
    while [ "$(cat /proc/$process/comm)" != ucarp ]; do sleep 0.01; done
done
echo here
wait
"""

_FULL = """
import socket, sys, time
waiting = []
for vhid in sys.argv[2:]:
    for _ in range(64):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(f"\\0vipd/{sys.argv[1]}/{vhid}")
        except OSError:
            break
        waiting.append(sock)
print("full", flush=True)
time.sleep(100000)
"""


def named_ucarps(host: Host, vhids: Iterable[int], interface: str = "eth1") -> Process:
    """Processes of nobody's that look like ``ucarp -i INTERFACE -v VHID``; they are there when it
    says "here", and stay."""
    words = ("sh", "-ec", _NAMED, "named", interface, *map(str, vhids))
    return host.start(words, name="not-ucarps")


def fill_queues(host: Host, vhids: Iterable[int], interface: str = "eth1") -> Process:
    """Connect, as nobody, to the sockets that hold these groups until they take no more; it says
    "full" then."""
    command = (sys.executable, "-I", "-S", "-c", _FULL, interface, *map(str, vhids))
    return host.start([*NOBODY, *command], name="filler")
