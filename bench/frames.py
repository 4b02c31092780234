"""What a host sent and heard, as tcpdump on its interface saw it: times to the microsecond.

Both families: ARP and neighbour advertisements, 224.0.0.18 and ff02::12.
"""

import re

from vipd.lab import Host, Process
from vipd.lab.waiting import wait_until

_ADVERTISEMENT = re.compile(r"^(\d+\.\d+) IP6? \S+ > (?:224\.0\.0\.18|ff02::12): ", re.MULTILINE)
_ANNOUNCEMENT = re.compile(
    r"^(\d+\.\d+) (?:ARP, Request who-has (?P<address>[0-9.]+) .*tell (?P=address),"
    r"|IP6 \S+ > ff02::1: ICMP6, neighbor advertisement,)",
    re.MULTILINE,
)
_FILTER = "proto 112 or arp or icmp6[icmp6type] == 136"


class Frames:
    """Captures CARP, VRRP and announcements on one host from now on. Times are seconds of the
    epoch."""

    def __init__(self, host: Host) -> None:
        self._in = self._capture(host, "in")
        self._out = self._capture(host, "out")

    @staticmethod
    def _capture(host: Host, direction: str) -> Process:
        return host.capture(_FILTER, options=["-tt", "-Q", direction])

    def heard(self) -> list[float]:
        """Advertisements that came in."""
        return _times(_ADVERTISEMENT, self._in)

    def advertised(self) -> list[float]:
        """Advertisements that went out."""
        return _times(_ADVERTISEMENT, self._out)

    def announced(self) -> list[float]:
        """Gratuitous ARP and unsolicited neighbour advertisements that went out."""
        return _times(_ANNOUNCEMENT, self._out)

    def wait_heard(self, timeout: float = 5.0) -> float:
        """Wait for the next advertisement to come in; its time."""
        since = self._in.mark()

        def look() -> float | None:
            found = _ADVERTISEMENT.search(self._in.log(since))
            return float(found[1]) if found else None

        return wait_until(
            look,
            timeout=timeout,
            interval=0.002,
            complaint=lambda: f"no advertisement came in {timeout:g} s{self._in.tail()}",
        )


def _times(line: re.Pattern[str], capture: Process) -> list[float]:
    return [float(found[1]) for found in line.finditer(capture.log())]


def first_after(times: list[float], moment: float) -> float | None:
    """The first of ``times`` (ascending) after ``moment``."""
    return next((time for time in times if time > moment), None)


def last_before(times: list[float], moment: float) -> float | None:
    """The last of ``times`` (ascending) before ``moment``."""
    return next((time for time in reversed(times) if time < moment), None)
