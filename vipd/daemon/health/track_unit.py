"""TRACK_UNIT: a systemd unit that has to run here. Its control group says whether it does, without
a message to anybody."""

import asyncio
import errno
from pathlib import Path

from vipd.daemon.health.debounced import Debounced
from vipd.daemon.health.settings import Times
from vipd.daemon.health.verdict import Changed, Verdict
from vipd.linux import cgroups
from vipd.linux.cgroups import Populated

#: Seconds between two looks at a unit that does not run, at most, and at one that does: the kernel
#: does not tell that a control group is empty which is removed within 10 ms of its last notice.
_LOOK, _LOOK_SELDOM = 0.25, 1.0
#: How many of these looks come to one that searches all slices.
_SEARCH = 20


class TrackUnit:
    """Not well while no process of the unit runs. The kernel tells when its last process ends. A
    new start makes a new control group, at the same place unless the unit was moved to another
    slice: that is looked for several times within TRACK_DOWN, and all slices now and then."""

    def __init__(
        self,
        unit: str,
        times: Times,
        loop: asyncio.AbstractEventLoop,
        changed: Changed,
        root: Path | None = None,
    ) -> None:
        """``unit``: its whole name: nginx.service, postgresql@16-main.service, web.slice.
        ``root``: of cgroup v2, if it is not where systemd mounts it."""
        self._unit = unit
        self._loop = loop
        self._root = root or cgroups.mounted()
        self._debounced = Debounced(loop, times, changed)
        self._every = min(_LOOK, times.down / 4)
        self._place: Path | None = None
        self._looks = 0  # since it was seen to run
        self._populated: Populated | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def verdict(self) -> Verdict:
        return self._debounced.verdict

    def resume(self, before: "TrackUnit") -> None:
        self._debounced.resume(before._debounced)

    def start(self) -> None:
        if self._root:
            self._place = self._root / cgroups.usual_place(self._unit)
            self._look()
        else:
            self._debounced.unknown("this system has no cgroup v2, so nothing is known of units")

    def close(self) -> None:
        self._debounced.close()
        self._forget()
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        """It has changed, or does not run and is looked for."""
        runs = False
        try:
            runs = bool(self._populated and self._populated.read()) or self._found()
        except OSError as error:  # we lack files or memory, which says nothing about the unit
            self._debounced.unknown(f"{self._unit} cannot be looked at: {error.strerror}")
        else:
            self._debounced.see("" if runs else f"no process of {self._unit} runs")
        if runs:
            self._looks = 0
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LOOK_SELDOM if runs else self._every, self._look)

    def _found(self) -> bool:
        """Whether it runs now, in a control group that we have not opened. Raises OSError."""
        self._forget()
        search = self._looks % _SEARCH == 0
        self._looks += 1
        if self._open():
            return True
        if not search or self._root is None:
            return False
        found = cgroups.find(self._root, self._unit)
        if found is None or found == self._place:
            return False
        self._place = found
        return self._open()

    def _open(self) -> bool:
        if self._place is None:
            return False
        try:
            populated = Populated(self._place)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):  # none, or it is being removed
                return False
            raise
        if not populated.read():
            populated.close()
            return False
        self._populated = populated
        self._loop.add_reader(populated.fileno(), self._look)
        return True

    def _forget(self) -> None:
        if self._populated:
            self._loop.remove_reader(self._populated.fileno())
            self._populated.close()
            self._populated = None
