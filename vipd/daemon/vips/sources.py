"""The source addresses of a VIP's advertisements: one for each family of its group."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from vipd.carp.host import Address, in_both
from vipd.carp.parameters import Parameters
from vipd.config.model import VipConfig

#: The source address of a VIP that has none yet.
NOWHERE = IPv4Address(0)


def find_sources(
    config: VipConfig, own: Callable[[], Sequence[Address]], known: Sequence[Address]
) -> tuple[Address, ...]:
    """The source of each family that has one, IPv4 first. In order of preference: the configured
    address; the first of the host's ``own`` addresses on the interface (for IPv6 a link-local one
    if there is any, as the BSDs mostly do; or none of those, if one of PEERS may be in another
    network); the ``known`` one from before (a network restart deletes it for a moment)."""
    found: list[Address] = []
    for version in config.families:
        if configured := config.source_of(version):
            found.append(configured)
            continue
        here = [each for each in own() if each.version == version]
        far = any(p.version == version and not p.is_link_local for p in config.peers or ())
        local = [each for each in here if version == 6 and each.is_link_local is not far]
        before = [each for each in known if each.version == version and each != NOWHERE]
        found += [*local, *here, *before][:1]
    return tuple(found)


def no_source(config: VipConfig, interface: str) -> str:
    """Why a VIP without any source waits."""
    if 4 in config.families:
        return f"{interface} has no IPv4 address to send from; set SOURCE_ADDRESS or give it one"
    return (
        f"{interface} has no IPv6 address to send from: see whether "
        f"net.ipv6.conf.{interface}.disable_ipv6 is 1"
    )


def demote_by(config: VipConfig) -> int:
    """What sickness adds to advskew; 0: it hands over."""
    return 0 if config.demote_by == "hand-over" else config.demote_by


def parameters(config: VipConfig, sources: Sequence[Address]) -> Parameters:
    """The election's parameters for a configuration, on a host that sends from these addresses."""
    first, *also = sources or (NOWHERE,)
    both = len(config.families) > 1
    return Parameters(
        first,
        config.advbase,
        config.advskew,
        config.deadratio,
        config.preempt,
        config.preempt_delay,
        config.listen_first,
        demote_by(config),
        also=tuple(also),
        host=in_both(first) if both and first.version == 4 else b"",
    )
