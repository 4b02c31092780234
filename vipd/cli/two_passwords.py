"""What is said of a VIP whose password is being changed: who signs with which."""

from collections.abc import Iterable, Iterator

from vipd.api.io_vipd import Signer, VipStatus
from vipd.cli.finding import Finding
from vipd.cli.text import safe, span

_SIGNS_WITH = {
    "PASSWORD": "PASSWORD only",
    "PASSWORD_ALSO": "PASSWORD_ALSO only",
    "both": "both",
}


def sentence(vip: VipStatus) -> str:
    """The hosts that were heard, and what they sign with; "" if there is one password. `vipctl`
    calls the first PASSWORD and the second PASSWORD_ALSO, even if they come from files."""
    if not vip.password_also:
        return ""
    heard = "".join(f", {_heard(signer)}" for signer in vip.signers)
    return f"Two passwords are set. This host signs with both{heard or '; no other was heard'}."


def _heard(signer: Signer) -> str:
    how = _SIGNS_WITH[signer.signs_with]
    return f"{safe(signer.address)} with {how} ({span(signer.ago)} ago)"


def old_ones(vips: Iterable[VipStatus]) -> Iterator[Finding]:
    """Hosts that would be cut off if the first password went."""
    for vip in vips:
        for signer in vip.signers:
            if signer.signs_with == "PASSWORD":
                yield Finding(
                    safe(vip.id),
                    f"{safe(signer.address)} signs with PASSWORD only, {span(signer.ago)} ago for "
                    "the last time: without that password, it and this host would both own the "
                    "address",
                    "write PASSWORD_ALSO there, too; where ucarp or a BSD runs, give it the new "
                    "password: docs/passwords.md",
                )
