"""A machine that stood still: suspended, or paused as a virtual machine."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from vipd.api.events import Kind
from vipd.daemon.events.hub import DAEMON
from vipd.daemon.log.logger import log
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.vip import VipRunner
from vipd.linux import clock


class Standstill:
    """Notices it when the machine resumes, before anything else is done: other hosts have taken
    over, and no lease has ended, because the kernel's timers stood still as well.

    A suspended machine gives up the addresses whose lease would have ended meanwhile, and listens.
    A virtual machine that was paused knows of nothing; its time of day jumps when something puts it
    right. So does one whose clock somebody sets, which is no reason to give anything up: masters
    advertise at once, and if there is another one, one of the two yields.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        services: Services,
        vips: Callable[[], Iterable[VipRunner]],
    ) -> None:
        self._loop = loop
        self._services = services
        self._vips = vips
        self._suspended, self._ahead = clock.suspended(), clock.ahead()
        self._changes: clock.ClockChanges | None = None
        services.timers.before = self._look
        try:
            self._changes = clock.ClockChanges()
        except OSError as error:
            words = "not told when the clock is set (%s): looks at it with each timer"
            log.info(words, error, extra={"reason": "clock"})
            return
        loop.add_reader(self._changes, self._changed)

    def close(self) -> None:
        if self._changes:
            self._loop.remove_reader(self._changes)
            self._changes.close()
            self._changes = None

    def _changed(self) -> None:
        self._look(self._services.clock())
        if self._changes:
            try:
                self._changes.read()
            except OSError:
                self.close()

    def _look(self, now: float) -> None:
        suspended, ahead = clock.suspended(), clock.ahead()
        slept, jumped = suspended - self._suspended, ahead - self._ahead
        self._suspended, self._ahead = suspended, ahead
        if max(slept, jumped) < 1:
            return
        for vip in list(self._vips()):
            if slept > vip.config.longest_lease:
                vip.guard(partial(vip.lapse, now))
            elif jumped > vip.config.longest_lease:
                vip.guard(partial(_speak, vip, now))
        if slept >= 1:
            self._services.hub.publish(
                DAEMON,
                Kind.LATE,
                f"the machine was suspended for {slept:.0f} s: addresses whose lease would have "
                "ended are given up until it is clear who owns them",
                level="error",
                code="suspended",
            )


def _speak(vip: VipRunner, now: float) -> None:
    vip.carry_out(vip.machine.speak(now))
