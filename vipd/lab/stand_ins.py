"""Health checks and systemd units, played in the lab: they are well until the prompt says
otherwise, because the services behind them do not run here."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vipd.config.checks import PREFIX
from vipd.config.health_fields import MAX_RUNS, Check
from vipd.config.model import VipConfig
from vipd.config.snapshot import Snapshot
from vipd.lab.errors import LabError
from vipd.lab.host import Host

#: The program that stands in for every check: `check NAME …`.
CHECK = "/run/lab/check"
#: Has a file for each check that fails, with what it says.
_SICK = "/run/lab/sick"
#: The directory from which vipd reads its configuration then.
_FILES = "/run/lab/ucarp"
_PROGRAM = f"""\
#!/bin/sh
[ -e "{_SICK}/$1" ] || exit 0
cat "{_SICK}/$1"
exit 1
"""
#: Seconds between two looks at a unit that is played.
_LOOK = 0.5
#: Files that the prompt writes are below this: each host has its own.
_OWN = "/run/"


@dataclass(frozen=True, slots=True)
class StandIns:
    """What is played on one host. ``checks``: the names of its checks, units' among them;
    ``files``: the paths of TRACK_FILE; ``added``: to each file of a VIP, what makes its checks
    stand-ins; ``seconds``: until a failure counts, at most."""

    checks: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    added: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def reason(self, word: str) -> str:
        """The reason, as `vipctl status` has it, that somebody means by this word; LabError."""
        name = word.removeprefix("check:").removeprefix("track:")
        if name in self.files:
            return f"track:{name}"
        for each in (name.lower(), _unit_check(name)):
            if each in self.checks:
                return f"check:{each}"
        known = ", ".join([*sorted(self.checks), *sorted(self.files)])
        raise LabError(f"nothing called {word!r} is checked or tracked there, only {known}")

    @property
    def reasons(self) -> list[str]:
        """All of them."""
        checks = [f"check:{name}" for name in sorted(self.checks)]
        return checks + [f"track:{path}" for path in sorted(self.files)]


def of(snapshot: Snapshot) -> StandIns:
    """What is to be played for these VIPs."""
    added = {Path(vip.file).name: _added(vip, snapshot) for vip in snapshot.vips}
    checks = [check for vip in snapshot.vips for check in (*vip.checks, *_units(vip))]
    return StandIns(
        frozenset(check.name for check in checks),
        frozenset(path for vip in snapshot.vips for path in vip.track_file),
        {name: text for name, text in added.items() if text},
        max((check.fall * check.interval + check.timeout for check in checks), default=0.0),
    )


def install(host: Host, config: Path, played: StandIns) -> Path:
    """Make the stand-ins on a host; returns the directory that vipd is to read there."""
    if not played.added:
        return config
    files = {CHECK: _PROGRAM}
    for name, text in played.added.items():
        files[f"{_FILES}/{name}"] = f". {shlex.quote(str(config.absolute() / name))}\n{text}"
    host.must(["mkdir", "-p", _FILES, _SICK])
    for path, content in files.items():
        host.must(["sh", "-c", 'cat >"$0" && chmod 755 "$0"', path], text=content)
    others = [each for each in config.absolute().iterdir() if each.name not in played.added]
    if others:
        host.must(["ln", "-sf", "--", *map(str, others), _FILES])
    return Path(_FILES)


def fail(host: Host, reason: str, text: str) -> None:
    """Make a check fail with this output, or write it into a tracked file."""
    path = _path(reason)
    script = 'mkdir -p "$(dirname "$0")" && cat >"$0.new" && mv "$0.new" "$0"'
    host.must(["sh", "-c", script, path], text=f"{text}\n")


def recover(host: Host, reason: str) -> None:
    """End that."""
    host.must(["rm", "-f", "--", _path(reason)])


def _path(reason: str) -> str:
    kind, _, name = reason.partition(":")
    if kind == "check":
        return f"{_SICK}/{name}"
    if not name.startswith(_OWN) or ".." in name.split("/"):
        raise LabError(
            f"{name} is a file of this machine, not of one host: choose a path below {_OWN} for it"
        )
    return name


def _added(vip: VipConfig, snapshot: Snapshot) -> str:
    """Lines for the end of a VIP's file."""
    lines = []
    keys = {key.lower(): key for key in snapshot.places[vip.id]}
    for check in vip.checks:
        key = keys[f"{PREFIX}{check.name}".lower()]
        lines += [_assigned(key, CHECK, check.name, *check.command), f"{key}_USER=root"]
    if vip.track_unit:
        lines.append("TRACK_UNIT=")
    for check in _units(vip):
        key = f"{PREFIX}{check.name}"
        lines += [
            _assigned(key, CHECK, *check.command),
            *(f"{key}_{name}={getattr(check, name.lower()):g}" for name in _TIMES),
            f"{key}_USER=root",
        ]
    return "".join(f"{line}\n" for line in lines)


_TIMES = ("INTERVAL", "FALL", "RISE", "HOLD")


def _units(vip: VipConfig) -> list[Check]:
    """A check for each systemd unit, of which there are none here."""
    fall, rise = (
        min(MAX_RUNS, max(1, round(seconds / _LOOK))) for seconds in (vip.track_down, vip.track_up)
    )
    return [
        Check(_unit_check(unit), (_unit_check(unit), unit), _LOOK, fall=fall, rise=rise, hold=0)
        for unit in vip.track_unit
    ]


def _unit_check(unit: str) -> str:
    return re.sub(r"\W", "_", unit.removesuffix(".service").lower(), flags=re.ASCII)


def _assigned(key: str, *words: str) -> str:
    return f"{key}={shlex.quote(shlex.join(words))}"
