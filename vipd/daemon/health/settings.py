"""Which sources of verdicts a configuration asks for."""

from dataclasses import dataclass, replace

from vipd.config.health_fields import Check, Gateway
from vipd.config.model import VipConfig


@dataclass(frozen=True, slots=True)
class Times:
    """TRACK_DOWN (0: none) and TRACK_UP, in seconds: how long a thing has to be in trouble, or free
    of it, without interruption; and CHECK_HOLD, for one that is in trouble again and again."""

    down: float = 0.5
    up: float = 10.0
    hold: int = 30


@dataclass(frozen=True, slots=True)
class TrackedInterface:
    """One of TRACK_INTERFACE."""

    name: str
    times: Times


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """One of TRACK_FILE."""

    path: str


@dataclass(frozen=True, slots=True)
class TrackedUnit:
    """One of TRACK_UNIT."""

    name: str
    times: Times


@dataclass(frozen=True, slots=True)
class TrackedGateway:
    """One of TRACK_GATEWAY, and the interface that it is on."""

    gateway: Gateway
    interface: str


@dataclass(frozen=True, slots=True)
class Grouped:
    """The others of GROUP, as one of its VIPs sees them. ``vip``: its ID."""

    group: str
    vip: str


Setting = Check | TrackedInterface | TrackedFile | TrackedUnit | TrackedGateway | Grouped
"""What a source is made from (`vipd.daemon.health.pool.Pool`). VIPs whose settings are equal share
a source, so nothing is in them that only names it."""


def settings(config: VipConfig) -> dict[str, Setting]:
    """The setting of each source of this VIP, by the name of its reason."""
    times = Times(config.track_down, config.track_up, config.track_hold)
    found: dict[str, Setting] = {
        f"check:{check.name}": replace(check, name="") for check in config.checks
    }
    found |= {f"track:{each}": TrackedInterface(each, times) for each in config.track_interface}
    found |= {f"track:{each}": TrackedFile(each) for each in config.track_file}
    found |= {f"track:{each}": TrackedUnit(each, times) for each in config.track_unit}
    found |= {
        f"track:{each.address}": TrackedGateway(each, config.device)
        for each in config.track_gateway
    }
    if config.group:
        if not config.ignoreifstate:
            # The address is lost with the carrier, at once: so the others follow at once. And it
            # comes back when they do.
            own = TrackedInterface(config.device, replace(times, down=0.0))
            found[f"track:{config.device}"] = own
        found[f"group:{config.group}"] = Grouped(config.group, config.id)
    return found


def same_question(old: Setting, new: Setting) -> bool:
    """Whether a source of the second only asks at other times: then what the first one said still
    counts."""
    return _at_any_time(old) == _at_any_time(new)


def _at_any_time(setting: Setting) -> Setting:
    if isinstance(setting, Check):
        return replace(setting, interval=1.0, timeout=1.0, fall=1, rise=1, hold=0)
    if isinstance(setting, TrackedInterface | TrackedUnit):
        return replace(setting, times=Times())
    if isinstance(setting, TrackedGateway):
        return replace(setting, gateway=Gateway(setting.gateway.address))
    return setting
