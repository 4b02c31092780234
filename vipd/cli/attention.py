"""What about a virtual IP somebody should look at."""

from vipd.carp.machine import Mode
from vipd.cli.problems import text
from vipd.cli.text import safe
from vipd.daemon.varlink import Vip


def attention(vip: Vip) -> list[str]:
    """Why somebody should look at this VIP, with the cure; maintenance and holds are no reason, as
    long as somebody else owns the address."""
    found = [text(problem) for problem in vip.problems]
    if vip.waiting_for and not any(vip.waiting_for in each for each in found):
        found.append(f"waiting: {safe(vip.waiting_for)}")
    if vip.mode is Mode.HOLDING and master_of(vip) is None:
        cure = f"vipctl maintenance off {vip.id}" if vip.maintenance else "end the hold"
        found.append(f"nobody owns it: no other host advertises, and this one holds back ({cure})")
    return found


def master_of(vip: Vip) -> str | None:
    """Address of the other host that is master; None when there is none, or it fell silent."""
    return vip.heard.address if vip.heard and vip.heard.followed else None
