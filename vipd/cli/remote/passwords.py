"""Which password each host signs with, while a password is being changed (PASSWORD_ALSO)."""

from collections.abc import Sequence

from vipd.cli.remote.owners import Row
from vipd.cli.remote.states import HostState
from vipd.cli.text import joined, safe

BOTH = "both"
UNKNOWN = "not known"
"""It has one password, and nobody with two has heard it: only a master advertises."""


def signing(hosts: Sequence[HostState], row: Row) -> dict[str, str]:
    """The word for each host that has the VIP, and for hosts that were not asked but heard: `BOTH`,
    “PASSWORD” or “PASSWORD_ALSO”, by the keys of who hears it, or `UNKNOWN`. {}: no host has two
    passwords."""
    cells = [(host, vip) for host, vip in zip(hosts, row.cells, strict=True) if vip]
    if not any(vip.two_passwords for _, vip in cells):
        return {}
    found = {host.name: BOTH if vip.two_passwords else UNKNOWN for host, vip in cells}
    names = {source: host.name for host, vip in cells for source in vip.sources}
    heard = sorted((signer for _, vip in cells for signer in vip.signers), key=lambda s: -s.ago)
    for signer in heard:  # the latest last
        name = names.get(signer.address, signer.address)
        if found.get(name) != BOTH:
            found[name] = signer.signs_with
    return found


def first_can_go(hosts: Sequence[HostState], row: Row) -> bool:
    """Whether the first password of a VIP with two can be removed: all hosts have answered, and
    they, and who else was heard, sign with the second one."""
    words = signing(hosts, row).values()
    answered = all(host.answered for host in hosts)
    return answered and bool(words) and not {UNKNOWN, "PASSWORD"} & set(words)


def notes(hosts: Sequence[HostState], rows: Sequence[Row]) -> list[str]:
    """A line for VIPs with two passwords; those of which the same is to be said are together."""
    told: dict[str, list[str]] = {}
    for row in rows:
        of: dict[str, list[str]] = {}
        for name, word in signing(hosts, row).items():
            of.setdefault(word, []).append(safe(name))
        if of:
            each = [f"{_words(word)} on {joined(names)}" for word, names in of.items()]
            each += ["PASSWORD can go"] * first_can_go(hosts, row)
            told.setdefault("; ".join(each), []).append(safe(row.id))
    return [f"{joined(ids, 5)}: two passwords: {text}" for text, ids in told.items()]


def _words(word: str) -> str:
    return word if word in (BOTH, UNKNOWN) else f"{safe(word)} only"
