"""The real systemd-journald on a lab host, without the rest of systemd."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.hosts import until
from vipd.lab import Host, Process

#: Where it is; it is not in anybody's PATH.
_PROGRAMS = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
_CONFIGURATION = "[Journal]\nStorage=volatile\nReadKMsg=no\nRuntimeMaxUse=8M\n"

#: What systemd does for a service: its stderr is a stream to the journal, and it is told so.
_SERVICE = 'exec env JOURNAL_STREAM="$(stat -L -c %d:%i /proc/self/fd/2)" "$@"'


def start_journald(host: Host) -> Process:
    """Start it; returns when it takes entries. Needs root: journald wants to see cgroups."""
    program = next(filter(shutil.which, _PROGRAMS), None)
    if program is None or shutil.which("journalctl") is None:
        pytest.fail("systemd-journald is missing: install systemd", pytrace=False)
    made = host.run(
        [
            "sh",
            "-ec",
            "mount -t cgroup2 none /sys/fs/cgroup; mkdir -p /run/log/journal "
            f"/run/systemd/journald.conf.d; echo {shlex.quote(_CONFIGURATION)} "
            ">/run/systemd/journald.conf.d/lab.conf",
        ]
    )
    assert made.returncode == 0, made.stderr
    journald = host.start([program])
    until(
        lambda: host.run(["test", "-S", "/run/systemd/journal/socket"]).returncode == 0,
        lambda: f"no journal{journald.tail()}",
    )
    return journald


def start_service(host: Host, config_dir: Path, *options: str) -> Process:
    """Start vipd as a service whose stderr is the journal's."""
    vipd = [sys.executable, "-m", "vipd.daemon", "--config-dir", str(config_dir), *options]
    return host.start(["systemd-cat", "sh", "-c", _SERVICE, "service", *vipd], name="vipd")


def entries(host: Host, *matches: str) -> list[dict[str, Any]]:
    """What ``journalctl MATCHES`` shows, oldest first."""
    done = host.run(["journalctl", "-q", "-D", "/run/log/journal", "-o", "json", *matches])
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for_entry(host: Host, pattern: str, *matches: str) -> dict[str, Any]:
    """Wait for an entry whose message matches a regex."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = [e for e in entries(host, *matches) if re.search(pattern, str(e["MESSAGE"]))]
        return bool(found)

    until(look, lambda: f"no {pattern!r} among {[e['MESSAGE'] for e in entries(host)]}")
    return found[0]
