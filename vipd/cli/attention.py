"""Reasons why a virtual IP needs attention."""

from vipd.api.io_vipd import VipStatus
from vipd.cli.problems import text
from vipd.cli.text import safe


def attention(vip: VipStatus) -> list[str]:
    """Why this VIP needs attention, with the cure. Maintenance and holds alone are no reason; if
    no other host owns the address, the daemon reports that as a problem."""
    found = [text(problem) for problem in vip.problems]
    if vip.waiting_for and not any(vip.waiting_for in each for each in found):
        found.append(f"waiting: {safe(vip.waiting_for)}")
    return found


def master_of(vip: VipStatus) -> str | None:
    """Address of the other host that is master; None if there is none, or it is silent."""
    return vip.heard.address if vip.heard and vip.heard.followed else None
