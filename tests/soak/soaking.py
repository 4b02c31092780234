"""The host that is soaked, and what it is soaked in."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGRTMIN
from typing import Any

from helpers.configured import WEB01, WEB02
from helpers.forging import frame, signed

from soak import pusher
from soak.editor import ALL, COUNT, Editor, address
from soak.gauge import Reading, read
from vipd.carp.rank import BOW_OUT
from vipd.lab import Lab, Process
from vipd.lab.host import RUNTIME_DIR
from vipd.lab.waiting import wait_until

#: How long the other host is there and away, seconds. In between it needs a second to leave.
THERE, AWAY = 3.0, 3.0
#: What warms up last: a VIP's history, of 64 events, is full after so long (seconds), with two
#: transitions in each of these times, and then some.
WARM = 64 / 2 * (THERE + AWAY + 1) * 1.25
EVERY = 5.0  # seconds between two readings
CALM = 6.0  # seconds after which nothing goes on any more, longer than a hand-over
LISTEN_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Rest:
    """What there is when nothing goes on."""

    reading: Reading
    inside: Mapping[str, Any]


class Soak:
    """vipd, its files, and the host that pushes it."""

    def __init__(self, lab: Lab, directory: Path, *, seed: str, trace: bool = False) -> None:
        self._window = directory / "window"
        self._window.touch(mode=0o600)
        self._frames = directory / "frames"
        self._frames.write_text("".join(f"{_frame(v)} {_frame(v, *BOW_OUT)}\n" for v in ALL))
        self._editor = Editor(directory, seed)
        self._web01 = lab.host("web01", f"{WEB01}/24")
        self._web02 = lab.host("web02", f"{WEB02}/24")
        words = [sys.executable, "-m", "soak.window", str(self._window), *["--trace"] * trace]
        words += ["--config-dir", str(self._editor.files), "--runtime-dir", RUNTIME_DIR]
        here = os.pathsep.join(str(Path(__file__).parents[up]) for up in (1, 2))  # tests, vipd
        self.vipd = self._web01.start(words, name="vipd", env={"PYTHONPATH": here})
        self._read = 0
        self.transitions = 0
        wait_until(
            lambda: self._count() >= COUNT or None,
            timeout=LISTEN_WITHIN,
            interval=0.5,
            complaint=self.vipd.tail,
        )

    @property
    def reloads(self) -> int:
        return self._editor.reloads

    def run(self, seconds: float) -> list[Reading]:
        """Push and edit for so long; what was read meanwhile."""
        readings: list[Reading] = []
        push = self._push()
        end = time.monotonic() + seconds
        due = time.monotonic()
        while due < end:
            self._editor.edit()
            self.vipd.signal(SIGHUP)
            if not readings or time.time() >= readings[-1].time + EVERY:
                readings.append(read(self.vipd.pid))
                self._count()
            due += 1.0
            time.sleep(max(0.0, due - time.monotonic()))
        push.kill()
        self._editor.repair()
        return readings

    def rest(self) -> Rest:
        """Wait until all addresses are here and nothing goes on, and look."""
        ours = set(map(address, ALL))
        wait_until(
            lambda: ours <= self._web01.addresses() or None,
            timeout=LISTEN_WITHIN,
            interval=1.0,
            complaint=self.vipd.tail,
        )
        time.sleep(CALM)
        size = self._window.stat().st_size
        self.vipd.signal(SIGRTMIN)
        wait_until(
            lambda: self._window.stat().st_size > size or None,
            timeout=LISTEN_WITHIN,
            complaint=self.vipd.tail,
        )
        inside = json.loads(self._window.read_text().splitlines()[-1])
        return Rest(read(self.vipd.pid), inside)

    def _push(self) -> Process:
        words = ["nice", sys.executable, "-I", "-S", pusher.__file__]
        words += ["eth1", str(self._frames), str(THERE), str(AWAY)]
        return self._web02.start(words, name="pusher")

    def _count(self) -> int:
        """Transitions so far."""
        while self._read < self.vipd.mark():
            data = self.vipd.log_bytes(self._read, skip=False)
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                break
            self._read += len(whole)
            self.transitions += whole.count(b"Switching to state: ")
        return self.transitions


def _frame(vhid: int, advbase: int = 1, advskew: int = 0) -> str:
    packet = signed(
        source=WEB02, vhid=vhid, advbase=advbase, advskew=advskew, addresses=[address(vhid)]
    )
    return frame(packet.build()).hex()
