"""A directory of files: whatever they hold, problems stand where they say, no password is told, and
a virtual IP that is to run can run."""

import tempfile
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from vipd.carp.digest import Digest
from vipd.carp.machine import Machine
from vipd.config.load import load
from vipd.config.snapshot import Snapshot
from vipd.daemon.vips.sources import find_sources, parameters

SECRET = "L0veAndPeace"
#: What the interface of every virtual IP has.
OWN = ip_address("192.0.2.1"), ip_address("fe80::1")
NAMES = ("vip-001.conf", "vip-common.conf", "vip-001.pwd")


def check(data: bytes) -> None:
    """Zero bytes divide the files. A password follows the first, in a line of its own."""
    contents = dict(zip(NAMES, data.split(b"\0", 2), strict=False))
    directory = Path(_directory().name)
    for with_password in (False, True):
        if with_password:
            contents[NAMES[0]] += f"\nPASSWORD='{SECRET}'\n".encode()
        for name in NAMES:
            path = directory / name
            path.unlink(missing_ok=True)
            if name in contents:
                path.write_bytes(contents[name])
        snapshot = load(directory, scripts=directory)
        problems_stand(snapshot, directory, contents)
        vips_can_run(snapshot)


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    """In memory where there is such a place; gone when the process ends."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


def problems_stand(snapshot: Snapshot, directory: Path, contents: dict[str, bytes]) -> None:
    for problem in snapshot.problems:
        text = f"{problem.message} {problem.hint}"
        assert text.isprintable(), text
        assert SECRET not in text
        name = Path(problem.file).name
        assert problem.file == str(directory / name)
        lines = contents[name].decode("utf-8", "surrogateescape").split("\n")
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def vips_can_run(snapshot: Snapshot) -> None:
    for vip in snapshot.vips:
        Digest(vip.password.get_secret_value(), vip.vhid, [a.ip for a in vip.addresses])
        sources = find_sources(vip, lambda: OWN, ())
        assert len(sources) == len(vip.families)
        Machine(parameters(vip, sources))
        assert vip.lease_seconds is None or vip.lease_seconds >= 1
