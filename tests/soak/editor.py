"""Somebody who changes configuration files every second."""

import random
from pathlib import Path

from helpers.configured import WEB01, write_script, write_vip

COUNT = 255
ALL = range(1, COUNT + 1)
#: So many of them have scripts.
SCRIPTED = 16
#: The most that an edit makes of an advskew. The host that pushes has 0.
_ADVSKEWS = (60, 100)
#: How many files are rewritten in a second, and every how many seconds vip-common.conf is.
_REWRITTEN, _COMMON_EVERY = 5, 10
#: For how many edits a file is away: after two seconds that counts.
_ABSENT = 4


def address(vhid: int) -> str:
    return f"203.0.113.{vhid}"


class Editor:
    """Of one host's files: VIPs change, go, come back, break and are mended, all in turn."""

    def __init__(self, directory: Path, seed: str) -> None:
        self.files = directory / "ucarp"
        self.reloads = 0
        self._new = directory / "new"
        self._dice = random.Random(seed)
        self._script = write_script(directory / "script", "echo $STATE")
        self._away: list[int] = []
        self._broken: list[int] = []
        self.files.mkdir()
        self._common()
        for vhid in ALL:
            self._write(vhid)

    def edit(self) -> None:
        """One second's changes."""
        self.reloads += 1
        dice = self._dice
        for vhid in dice.sample(ALL, _REWRITTEN):
            self._write(vhid)
        back = [self._away.pop(0)] if len(self._away) == _ABSENT else []
        for vhid in (*back, *self._broken):
            self._write(vhid)
        gone, self._broken = dice.choice(ALL), dice.sample(ALL, 1)
        for vhid in self._broken:
            self._file(vhid).write_text("ID=`date`\n")
        if gone not in self._away:
            self._away.append(gone)
        self._file(gone).unlink(missing_ok=True)
        if self.reloads % _COMMON_EVERY == 0:
            self._common()

    def repair(self) -> None:
        """Everything is there and whole again."""
        for vhid in (*self._away, *self._broken):
            self._write(vhid)
        self._away, self._broken = [], []

    def _file(self, vhid: int) -> Path:
        return self.files / f"vip-{vhid:03}.conf"

    def _write(self, vhid: int) -> None:
        script = str(self._script) if vhid <= SCRIPTED else None
        skew = self._dice.randint(*_ADVSKEWS)
        written = write_vip(
            self._new,
            f"{vhid:03}",
            ID=str(vhid),
            VIP_ADDRESS=address(vhid),
            SOURCE_ADDRESS=WEB01,
            OPTIONS=f"--shutdown --preempt --advskew={skew} --xparam={self.reloads}",
            UPSCRIPT=script,
            DOWNSCRIPT=script,
            MANAGE_ADDRESS="yes",
        )
        written.rename(self._file(vhid))

    def _common(self) -> None:
        seconds = 20 + self.reloads % 7
        (self.files / "vip-common.conf").write_text(f"SCRIPT_TIMEOUT={seconds}\n")
