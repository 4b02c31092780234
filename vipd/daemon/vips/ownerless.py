"""Reports it when no host owns an address because this one has to stay backup."""

import asyncio
from collections.abc import Callable, Iterable

from vipd.api.events import Kind
from vipd.carp.rank import bows_out
from vipd.carp.timing import interval
from vipd.daemon.vips.vip import VipRunner

#: Seconds between two checks while a VIP is held as backup.
_EVERY = 1.0


class OwnerlessWatch:
    """Checks the VIPs of ``vips()`` for as long as one of them is held as backup."""

    def __init__(self, vips: Callable[[], Iterable[VipRunner]], clock: Callable[[], float]) -> None:
        self._vips = vips
        self._clock = clock
        self._told: set[str] = set()
        self._next: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._next:
            self._next.cancel()

    def watch(self) -> None:
        """Check from now on, until no VIP is held."""
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(_EVERY, self._look)

    def _look(self) -> None:
        self._next = None
        now = self._clock()
        for vip in self._vips():
            if vip.machine.outlook(now).hold_until is not None:
                self.watch()
            identifier, why = vip.config.id, nobody_owns(vip, now)
            if why and identifier not in self._told:
                self._told.add(identifier)
                vip.publisher.publish(Kind.PROBLEM, why, code="nobody", level="error")
            elif not why and identifier in self._told:
                self._told.discard(identifier)
                vip.publisher.publish(
                    Kind.PROBLEM, "somebody may own it again", code="nobody", level="info"
                )


def nobody_owns(vip: VipRunner, now: float) -> str:
    """The problem's text if this VIP is held as backup and no other host is master; or ""."""
    machine = vip.machine
    if not machine.holding:
        return ""
    heard, patience = machine.heard, machine.parameters.master_down
    silent_since = vip.transitions.decided
    if heard and not bows_out(heard.ad):
        silent_since = max(silent_since, heard.at)
        patience = max(patience, interval(heard.ad.advbase, heard.ad.advskew))
    if now < silent_since + patience:
        return ""
    config = vip.config
    return (
        f"nobody owns {config.addresses[0].ip}: no other host advertises, and we are to stay "
        f"backup; `vipctl maintenance off {config.id}` ends that"
    )
