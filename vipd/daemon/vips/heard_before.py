"""What was heard of other hosts, for as long as this machine runs: an old advertisement that is
sent again must not be news to a VIP that starts again, or to the next vipd."""

import asyncio
from contextlib import suppress
from pathlib import Path

from vipd.carp.authenticity import Authenticity
from vipd.daemon.base.kept_files import read, replace

#: Seconds from an advertisement to its being written down. For so long before a vipd is killed, it
#: could be repeated to the next one, until that hears the sender itself.
WRITE_AFTER = 10.0
_LONGEST = 1 << 20  # bytes of the file that are read
_HOST_BYTES = 16

Group = tuple[str, int]
"""Interface and VHID."""


class HeardBefore:
    """The memories of all groups, by interface and VHID, and the file that the next vipd reads. A
    file that cannot be read or written is as none; nothing depends on it while vipd runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, file: Path) -> None:
        self._loop = loop
        self._file = file
        self._memories: dict[Group, Authenticity] = {}
        self._before = _read(file)
        self._writing: asyncio.TimerHandle | None = None

    def memory(self, interface: str, vhid: int) -> Authenticity:
        """That of a group; the same one whenever it is asked for."""
        group = interface, vhid
        if group not in self._memories:
            memory = self._memories[group] = Authenticity()
            memory.remember(self._before.pop(group, {}), self._loop.time())
        return self._memories[group]

    def changed(self) -> None:
        """Write them down soon."""
        if self._writing is None:
            self._writing = self._loop.call_later(WRITE_AFTER, self.write)

    def write(self) -> None:
        """Write them down now."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        known = {group: dict(memory.known) for group, memory in self._memories.items()}
        lines = [
            f"{interface} {vhid} {host.hex()} {sequence}\n"
            for (interface, vhid), hosts in {**self._before, **known}.items()
            for host, sequence in hosts.items()
        ]
        with suppress(OSError):  # full, or not ours: the next vipd has to hear for itself
            replace(self._file, "".join(lines).encode(errors="surrogateescape"))


def _read(file: Path) -> dict[Group, dict[bytes, int]]:
    found: dict[Group, dict[bytes, int]] = {}
    try:
        text = read(file, _LONGEST).decode(errors="surrogateescape")
    except OSError:
        return found
    for line in text.splitlines():
        with suppress(ValueError):
            interface, vhid, host, sequence = line.split(" ")
            name = bytes.fromhex(host)
            if 1 <= int(vhid) <= 255 and 0 < len(name) <= _HOST_BYTES:
                found.setdefault((interface, int(vhid)), {})[name] = int(sequence) % (1 << 34)
    return found
