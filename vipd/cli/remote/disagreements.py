"""What the files of the hosts of a group disagree about: what has to be equal and is not, and what
has to differ and does not."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from vipd.cli.remote.files import HostFiles, VipFile
from vipd.cli.remote.group_orders import contradictions
from vipd.cli.remote.same_vip import Member, groups
from vipd.cli.text import joined, safe


@dataclass(frozen=True, slots=True)
class Difference:
    """`about`: IDs of VIPs, or one host, or nothing in particular. Safe to print."""

    about: tuple[str, ...]
    text: str


_EQUAL: tuple[tuple[str, Callable[[VipFile], str]], ...] = (
    ("VIP_ADDRESS", lambda vip: " ".join(vip.addresses)),
    ("VHID", lambda vip: str(vip.vhid)),
    ("advbase", lambda vip: str(vip.advbase)),
    ("deadratio", lambda vip: str(vip.deadratio)),
    ("GROUP", lambda vip: vip.group or "left out"),
    ("PEERS", lambda vip: "left out" if vip.peers is None else "set"),
)
"""What all hosts of a group need to have alike, and how it is shown."""


def differences(hosts: Sequence[HostFiles]) -> list[Difference]:
    """All of them: first those of whole hosts, then those of VIPs, equal ones together."""
    answered = [host for host in hosts if not host.why]
    found = list(_of_hosts(hosts, answered))
    told: dict[str, list[str]] = {}
    every = groups(answered)
    found += [Difference((), text) for text in contradictions(every)]
    for group in every:
        names = _names(group)
        identifier = safe(group[0].vip.id)
        if len(group) > 1:
            texts = list(_of_group(group, names))
        elif len(answered) == len(hosts):  # else one of the others may have it
            texts = [f"only {names.popitem()[0]} has it: no other host could take over"]
        else:
            texts = []
        for text in texts:
            told.setdefault(text, []).append(identifier)
    return found + [Difference(tuple(ids), text) for text, ids in told.items()]


def _of_hosts(hosts: Sequence[HostFiles], answered: Sequence[HostFiles]) -> Iterator[Difference]:
    for host in hosts:
        if host.why:
            yield Difference((safe(host.name),), safe(host.why))
        if host.errors:
            number = "an error" if host.errors == 1 else f"{host.errors} errors"
            text = f"its files have {number}, and VIPs may be missing: run vipctl check there"
            yield Difference((safe(host.name),), text)
    if text := _sides({safe(host.name): safe(host.version) for host in answered}):
        yield Difference((), f"versions differ: {text}")


def _names(group: Sequence[Member]) -> dict[str, VipFile]:
    """The VIPs by the names of their hosts; with the ID, where a host has two of them."""
    several = _several(group)
    return {
        safe(each.host) + (f" ({safe(each.vip.id)})" if each.host in several else ""): each.vip
        for each in group
    }


def _several(group: Sequence[Member]) -> set[str]:
    """Hosts with more than one of these VIPs."""
    return {host for host, number in Counter(each.host for each in group).items() if number > 1}


def _of_group(group: Sequence[Member], vips: Mapping[str, VipFile]) -> Iterator[str]:
    yield from _passwords(vips)
    for what, read in _EQUAL:
        if text := _sides({name: read(vip) for name, vip in vips.items()}):
            yield f"{what} differs: {text}"
    multicast = {name: vip.mcast for name, vip in vips.items() if vip.peers is None}
    if text := _sides(multicast):
        yield f"--mcast differs: {text}"
    several = _several(group)
    yield from _between({safe(m.host): m.vip for m in group if m.host not in several})
    without = [name for name, vip in vips.items() if not vip.preempt]
    having = [name for name, vip in vips.items() if vip.preempt]
    if without and having:
        yield f"--preempt is missing on {joined(without)}, and is there on {joined(having)}"


def _between(vips: Mapping[str, VipFile]) -> Iterator[str]:
    """What is to differ between hosts, and what each has to know of the others."""
    yield from _peers(vips)
    for version in (4, 6):
        sources = {n: vip.sources[version] for n, vip in vips.items() if version in vip.sources}
        for value, names in _shared(sources):
            yield f"SOURCE_ADDRESS is {value} on {joined(names)}: each needs its own"
    for value, names in _shared({name: str(vip.advskew) for name, vip in vips.items()}):
        yield f"advskew is {value} on {joined(names)}: give each host its own place in the order"


def _peers(vips: Mapping[str, VipFile]) -> Iterator[str]:
    """Hosts with PEERS have to list each other, in every family that they use."""
    unicast = {name: (vip, vip.peers) for name, vip in vips.items() if vip.peers is not None}
    for name, (_, peers) in unicast.items():
        families = {ip_address(each).version for each in peers}
        for other, (theirs, _) in unicast.items():
            if other == name:
                continue
            for version in sorted(families & theirs.sources.keys()):
                if (source := theirs.sources[version]) not in peers:
                    yield f"PEERS on {name} lacks {source} ({other})"


def _passwords(vips: Mapping[str, VipFile]) -> Iterator[str]:
    """Hosts that have no password in common do not hear each other. Hosts of which some have a
    second one (PASSWORD_ALSO) do, but somebody is not done with changing it."""
    numbers: dict[str, int] = {}
    for vip in vips.values():
        for each in vip.signatures:
            numbers.setdefault(each, len(numbers) + 1)
    having = {
        name: tuple(sorted(numbers[each] for each in set(vip.signatures)))
        for name, vip in vips.items()
    }
    distinct = [set(own) for own in set(having.values())]
    # More than three pairs, each of which overlaps with each other one, have a member in common.
    overlap = len(distinct) <= 3 and all(one & other for one in distinct for other in distinct)
    apart = not (overlap or set.intersection(*distinct))
    words = {
        name: f"password {own[0]}" if len(own) == 1 else f"passwords {own[0]} and {own[1]}"
        for name, own in having.items()
    }
    if text := _sides(words):
        yield f"PASSWORD {'differs' if apart else 'is being changed'}: {text}"


def _sides(values: Mapping[str, str]) -> str:
    """Who has which value: “1 on web01 and web03; 2 on web02”. “” if all have the same."""
    holders = _holders(values)
    if len(holders) < 2:
        return ""
    return "; ".join(f"{safe(value)} on {joined(names)}" for value, names in holders.items())


def _shared(values: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Values that several have, and who."""
    return (each for each in _holders(values).items() if len(each[1]) > 1)


def _holders(values: Mapping[str, str]) -> dict[str, list[str]]:
    """Each value, and the names of those that have it."""
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        found.setdefault(value, []).append(name)
    return found
