"""What about a virtual IP somebody should look at."""

from vipd.api.io_vipd import VipStatus
from vipd.cli.problems import text
from vipd.cli.text import safe


def attention(vip: VipStatus) -> list[str]:
    """Why somebody should look at this VIP, with the cure. Maintenance and holds are no reason by
    themselves; that nobody else owns the address is a problem that the daemon tells of."""
    found = [text(problem) for problem in vip.problems]
    if vip.waiting_for and not any(vip.waiting_for in each for each in found):
        found.append(f"waiting: {safe(vip.waiting_for)}")
    return found


def master_of(vip: VipStatus) -> str | None:
    """Address of the other host that is master; None when there is none, or it fell silent."""
    return vip.heard.address if vip.heard and vip.heard.followed else None
