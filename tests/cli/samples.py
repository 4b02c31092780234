"""What a daemon might answer, for tests of how it is shown."""

from dataclasses import replace
from typing import Any

from vipd.api.io_vipd import Heard, Problem, VipStatus
from vipd.carp.health import Health
from vipd.carp.states import Mode, Reason, State

NOW = 1_800_000_000.0
"""Unix time of the tests."""

OTHER = Heard("198.51.100.180", 1, 0, 0, 0.4, followed=True, missing=0)

BACKUP = VipStatus(
    id="001",
    file="/etc/ucarp/vip-001.conf",
    vhid=1,
    interface="eth1",
    addresses=["198.51.100.154/32"],
    extra_addresses=[],
    advbase=1,
    advskew=10,
    deadratio=3,
    preempt=True,
    nomcast=False,
    peers=None,
    password_also=False,
    manages_address=True,
    upscript=None,
    downscript=None,
    lease=3,
    preempt_delay=0,
    listen_first=0,
    demote_by=0,
    group="",
    state=State.BACKUP,
    mode=Mode.BACKUP,
    reason=Reason.PREFERRED_MASTER,
    since=NOW - 7980,
    event=4,
    source="198.51.100.179",
    source_ipv6=None,
    effective_advskew=10,
    interval=1 + 10 / 256,
    master_down=3 + 10 / 256,
    waiting_for="",
    maintenance=False,
    problems=[],
    health=Health.WELL,
    findings=[],
    ails="",
    heard=OTHER,
    signers=[],
    takeover_in=2.6,
    takeover_reason=Reason.MASTER_DOWN,
    hold_left=None,
    modest_left=None,
    mute=False,
    lease_left=None,
    sent=17,
    received=42,
    missed=0,
    script_running=None,
    script_seconds=None,
    script_last=None,
    script_failed=None,
)

MASTER = replace(
    BACKUP,
    state=State.MASTER,
    mode=Mode.MASTER,
    reason=Reason.MASTER_DOWN,
    heard=None,
    takeover_in=None,
    takeover_reason=None,
    lease_left=2.7,
)


def problem(text: str, **changes: Any) -> Problem:
    """A problem of the VIP 001 as the daemon tells it."""
    plain = Problem("second-master", "error", "001", "eth1", text, "", "", 0, 0, NOW - 60, NOW, 1)
    return replace(plain, **changes)
