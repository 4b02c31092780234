"""UPSCRIPT and DOWNSCRIPT of one VIP: their arguments, and the consequences of their end."""

from collections.abc import Callable
from math import inf
from typing import Protocol

from vipd.api.events import Kind, ScriptRun
from vipd.carp.machine import Machine
from vipd.carp.states import Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.base.children import Children
from vipd.daemon.base.program import Job
from vipd.daemon.cleanup.last_scripts import LastScript
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.scripts import Begun, Outcome, Scripts, Wanted
from vipd.daemon.vips.transitions import Transitions

#: Seconds of the hold after a failed UPSCRIPT, if the VIP hands over for that.
_FAILED_HOLD = 60.0


class Appeared(Protocol):
    """See `vipd.daemon.vips.address_watch.AddressWatch`."""

    appeared: float

    def look_later(self) -> None: ...


class Runner(Protocol):
    """The VIP whose scripts these are."""

    config: VipConfig
    machine: Machine
    publisher: Publisher
    transitions: Transitions
    addresses: Appeared

    def guard(self, act: Callable[[], None]) -> None:
        """Run a callback of the loop; its errors end only this VIP."""

    def step_down(self, hold: float, reason: Reason) -> None:
        """Hand over, and stay backup for ``hold`` seconds."""

    def announce(self) -> None:
        """Announce the addresses."""


class ScriptRuns:
    """``last``: the last run; ``failed``: the last failed run, if none has succeeded since.
    ``demoted_until``: the end of the hold that a failed UPSCRIPT had for its consequence."""

    def __init__(self, vip: Runner, children: Children, clock: Callable[[], float]) -> None:
        self.last: ScriptRun | None = None
        self.failed: ScriptRun | None = None
        self.demoted_until = -inf
        self._vip = vip
        self._clock = clock
        self._scripts = Scripts(self._ended, vip.publisher.log, children)

    @property
    def running(self) -> tuple[Wanted, float] | None:
        """The script that runs now, and since when (the loop\'s clock)."""
        return self._scripts.running

    async def idle(self) -> None:
        """Wait until no script runs."""
        await self._scripts.idle()

    def want(self, wanted: Wanted, begun: Begun | None = None) -> None:
        """Run this script, after the one that runs has ended. ``begun``: how DOWNSCRIPT fares that
        the guard has begun to run."""
        state, reason = self._vip.machine.state, self._vip.transitions.last.reason
        self._scripts.want(wanted, self._job(wanted, state, reason), begun)

    def last_script(self) -> LastScript | None:
        """DOWNSCRIPT as it runs when the lease has expired."""
        down = self._job(Wanted.DOWN, State.BACKUP, Reason.LAPSED)
        if not down.command:
            return None
        return LastScript(list(down.command), dict(down.environment), int(down.timeout))

    def _job(self, wanted: Wanted, state: State, reason: Reason) -> Job:
        heard = self._vip.machine.heard
        previous = str(heard.ad.source) if heard else ""
        return job(self._vip.config, wanted, state, reason, previous)

    def _ended(self, outcome: Outcome) -> None:
        self._vip.guard(lambda: self._after(outcome))

    def _after(self, outcome: Outcome) -> None:
        vip, up = self._vip, outcome.wanted is Wanted.UP
        went_up = up and vip.machine.state is State.MASTER
        appeared = vip.addresses.appeared
        gained = appeared - vip.transitions.decided if went_up and appeared < inf else None
        cause = vip.transitions.event if up == (vip.machine.state is State.MASTER) else 0
        run = self._remember(outcome, cause, gained)
        failed = self.failed is run
        vip.publisher.publish(
            Kind.SCRIPT,
            outcome.trouble or f"{outcome.wanted.value} ended after {outcome.seconds:.3f} s",
            code="script_failed" if failed else "script",
            level="info" if not failed else "warning" if outcome.status else "error",
            script=run,
        )
        if not went_up:
            return
        if outcome.status != 0 and vip.config.upscript_failure == "demote":
            self.demoted_until = self._clock() + _FAILED_HOLD
            vip.step_down(_FAILED_HOLD, Reason.SCRIPT_FAILED)
            return
        # The address may be there only now: earlier ARP requests for it got no answer.
        vip.announce()
        vip.addresses.look_later()

    def _remember(self, outcome: Outcome, cause: int, gained: float | None) -> ScriptRun:
        """``cause``: the number of the transition's event; ``gained``: seconds from the transition
        to the address that the script added."""
        run = ScriptRun(outcome.wanted.value, outcome.status, outcome.seconds, cause, gained)
        # Like ucarp, we run DOWNSCRIPT first. There is no address to delete then, and EPEL's script
        # fails for that reason: every healthy backup starts this way.
        up = outcome.wanted is Wanted.UP
        nothing_there = self.last is None and not up and outcome.status is not None
        self.last = run
        self.failed = run if outcome.trouble and not nothing_there else None
        return run


def job(
    config: VipConfig, wanted: Wanted, state: State, reason: Reason, previous_master: str
) -> Job:
    """The script of a VIP as ucarp runs it, with additional environment; or nothing to run."""
    script = config.upscript if wanted is Wanted.UP else config.downscript
    if not script:
        return Job((), {}, config.script_timeout)
    xparam = () if config.xparam is None else (config.xparam,)
    return Job(
        (script, config.interface, str(config.addresses[0].ip), *xparam),
        {
            **config.environment,
            "STATE": state.value,
            "REASON": reason.value,
            "PREVIOUS_MASTER": previous_master,
        },
        config.script_timeout,
    )
