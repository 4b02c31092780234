"""A host that treats IPv4 advertisements as FreeBSD's carp(4) does (``carp_input_c``), run as a
program: ``bsd.py INTERFACE SOURCE ADDRESS ADVSKEW PASSWORD …``.

What does not verify is counted and ignored. It has one password; at each SIGHUP it takes the next
one, as with ``ifconfig em0 vhid 1 pass …``, which needs no restart. It preempts nobody.
"""

import hmac
import os
import signal
import socket
import struct
import subprocess
import sys
from time import monotonic

VHID, ADVBASE = 1, 1
GROUP = "224.0.0.18"
_CARP = struct.Struct("!BBBBBBHQ20s")


class Carp:
    def __init__(self, interface: str, source: str, address: str, skew: str, *keys: str) -> None:
        self.keys = list(keys)
        self.skew = int(skew)
        self.address, self.interface = address, interface
        self.counter = int.from_bytes(os.urandom(8), "big") >> 1
        self.master = False
        self.badauth = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
        member = socket.inet_aton(GROUP) + socket.inet_aton(source)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self.interval = ADVBASE + self.skew / 256
        self.listen()

    def listen(self) -> None:
        self.due = monotonic() + 3 * ADVBASE + self.skew / 256

    def digest(self, counter: int) -> bytes:
        data = bytes((2, 1, VHID))
        data += socket.inet_aton(self.address) + counter.to_bytes(8, "big")
        return hmac.new(self.keys[0].encode().ljust(20, b"\0"), data, "sha1").digest()

    def become(self, master: bool) -> None:
        self.master = master
        verb = "add" if master else "del"
        what = ["ip", "addr", verb, f"{self.address}/32", "dev", self.interface]
        subprocess.run(what, check=True)
        print("MASTER" if master else "BACKUP", flush=True)

    def advertise(self) -> None:
        self.counter += 1
        digest = self.digest(self.counter)
        words = 0x21, VHID, self.skew, 7, 0, ADVBASE
        total = sum(struct.unpack("!18H", _CARP.pack(*words, 0, self.counter, digest)))
        packet = _CARP.pack(*words, -total % 0xFFFF, self.counter, digest)
        self.socket.sendto(packet, (GROUP, 0))
        self.due = monotonic() + self.interval

    def hear(self, packet: bytes) -> None:
        _, vhid, skew, _, _, base, _, counter, digest = _CARP.unpack_from(packet, 20)
        if vhid != VHID:
            return
        if not hmac.compare_digest(digest, self.digest(counter)):
            self.badauth += 1
            print(f"badauth {self.badauth}", flush=True)
            return
        theirs = base + skew / 256
        if self.master:
            if theirs <= self.interval:
                self.become(False)
                self.listen()
        elif theirs > 3 * ADVBASE:  # going to time out
            self.due = monotonic()
        else:
            self.listen()

    def run(self) -> None:
        def next_password(*_: object) -> None:
            self.keys.pop(0)
            print("next password", flush=True)

        signal.signal(signal.SIGHUP, next_password)
        print("BACKUP", flush=True)
        while True:
            self.socket.settimeout(max(self.due - monotonic(), 0.001))
            try:
                self.hear(self.socket.recv(2048))
            except TimeoutError:
                if not self.master:
                    self.become(True)
                self.advertise()


if __name__ == "__main__":
    Carp(*sys.argv[1:]).run()
