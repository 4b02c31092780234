"""The daemon as a service: its notifications to systemd (`vipd.daemon.service.notify`)."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from vipd.carp.states import State
from vipd.daemon.files.reload import Reload
from vipd.daemon.service.notify import Notify
from vipd.daemon.vips.supervisor import Supervisor
from vipd.daemon.vips.vip import VipRunner

#: Seconds between two checks whether every VIP listens.
_UNTIL_READY = 0.02
#: Seconds between two checks whether the status line has changed.
_STATUS_EVERY = 1.0


class Service:
    """Notifies systemd: READY, a status line, and the watchdog, as long as the loop runs.

    READY means: every VIP listens, or has logged what it waits for. To wait for the last interface
    would delay the boot for a loose cable, and systemd would end the daemon on a timeout, and with
    it the other VIPs. The status line says how many VIPs wait.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        reload: Reload,
        notify: Notify,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._supervisor = supervisor
        self._reload = reload
        self._notify = notify
        self._loop = loop
        self._ready = self._ending = False
        self._next: asyncio.TimerHandle | None = None
        if notify.wanted:
            reload.reloading = self._reloading
            self._look()
        if notify.watchdog:
            self._feed(notify.watchdog / 2)

    def stopping(self) -> None:
        """VIPs hand over; the loop runs until that is done."""
        self._ending = True
        self._notify.stopping()

    def _reloading(self, begins: bool) -> None:
        if not self._ready or self._ending:
            return
        if begins:
            self._notify.reloading()
        else:
            self._ready = False
            self._look()

    def _look(self) -> None:
        if self._next:
            self._next.cancel()
        if self._ending:
            return
        if self._ready:
            self._notify.status(self._line())
        elif self._reload.loaded.is_set() and self._supervisor.settled:
            self._ready = self._notify.ready(self._line())
        pause = _STATUS_EVERY if self._ready else _UNTIL_READY
        self._next = self._loop.call_later(pause, self._look)

    def _feed(self, every: float) -> None:
        self._notify.alive()
        self._loop.call_later(every, self._feed, every)

    def _line(self) -> str:
        supervisor = self._supervisor
        return line(supervisor.vips(), supervisor.failing, self._reload.broken_files)


def line(vips: Sequence[VipRunner], failing: int, broken_files: int) -> str:
    """For instance "3 VIPs: 1 MASTER, 1 BACKUP, 1 waiting; 1 file with errors"."""
    states = Counter("waiting" if vip.link.waiting_for else vip.machine.state.value for vip in vips)
    states["failing"] = failing
    order = [State.MASTER.value, State.BACKUP.value, State.INIT.value, "waiting", "failing"]
    counts = ", ".join(f"{states[state]} {state}" for state in order if states[state])
    number = states.total()
    text = f"{_many(number, 'VIP')}: {counts}" if number else "no VIP to run, see vipctl check"
    return f"{text}; {_many(broken_files, 'file')} with errors" if broken_files else text


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
