"""What UPSCRIPT and DOWNSCRIPT are run with, and how their runs ended."""

from vipd.api.events import ScriptRun
from vipd.carp.states import Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.vips.scripts import Job, Outcome, Wanted


def job(
    config: VipConfig, wanted: Wanted, state: State, reason: Reason, previous_master: str
) -> Job:
    """The script of a VIP as ucarp runs it, with more in its environment; or nothing to run."""
    script = config.upscript if wanted is Wanted.UP else config.downscript
    words: tuple[str, ...] = ()
    if script:
        xparam = () if config.xparam is None else (config.xparam,)
        words = script, config.interface, str(config.addresses[0].ip), *xparam
    return Job(
        words,
        {
            "ID": config.id,
            "VHID": str(config.vhid),
            "STATE": state.value,
            "REASON": reason.value,
            "ADDRESSES": " ".join(map(str, config.addresses)),
            "INTERFACE": config.interface,
            "PREVIOUS_MASTER": previous_master,
        },
        config.script_timeout,
    )


class ScriptRuns:
    """The last run, and the last that failed if none has succeeded since."""

    def __init__(self) -> None:
        self.last: ScriptRun | None = None
        self.failed: ScriptRun | None = None

    def ended(self, outcome: Outcome, cause: int, gained: float | None) -> ScriptRun:
        """``cause``: the number of the transition's event; ``gained``: seconds from the transition
        to the address that the script added."""
        run = ScriptRun(outcome.wanted.value, outcome.status, outcome.seconds, cause, gained)
        # As ucarp, we begin with DOWNSCRIPT. There is nothing to take down then, and EPEL's script
        # says so by its status: that is how every healthy backup starts.
        up = outcome.wanted is Wanted.UP
        nothing_there = self.last is None and not up and outcome.status is not None
        self.last = run
        self.failed = run if outcome.trouble and not nothing_there else None
        return run
