"""The eleven addresses that three hosts share, how each is set up, and what follows for its timers.

Each host is the preferred one of three or four of them. The other two stand 20 and 40 steps of
1/256 s behind it, so that an edit may add up to 9 without changing who is preferred.

Beside them each host has a crowd: VIPs on all other VHIDs. They listen and never become master, so
they cost next to nothing, but whatever vipd does once for each VIP it does 254 times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType

from helpers.configured import write_script, write_vip

from vipd.carp import timing
from vipd.config.model import VipConfig

#: host → its own address
HOSTS = MappingProxyType(
    {"web01": "198.51.100.179", "web02": "198.51.100.180", "web03": "198.51.100.181"}
)
#: Where the floating addresses are: in no host's own network, but for those of the other.
APART, AMONG = "203.0.113", "198.51.100"
NETWORK = f"{APART}.0/24"
#: The most that an edit adds to an advskew.
WITHIN = 9
#: SCRIPT_TIMEOUT of all groups, seconds.
SCRIPT_TIMEOUT = 1.0

_STEP = 20
_NAMES = tuple(HOSTS)
#: Says how this host's scripts behave: "fail", "hang", anything else is well.
SCRIPT_MODE = "/run/lab/scripts"
_SCRIPT = """\
case $(cat {mode} 2>/dev/null) in
fail) exit 1 ;;
hang) exec sleep 60 ;;
esac
[ "$3" = idle ] || exec ip addr {verb} "$2/32" dev "$1"
"""


class Scripts(Enum):
    """What the scripts of a group are for."""

    IDLE = "vipd adds the address, and nothing follows from what they do"
    ADDING = "UPSCRIPT adds the address, DOWNSCRIPT takes it away; a failure hands it on"


@dataclass(frozen=True, slots=True)
class Group:
    """One address. Times are seconds, those of the slowest host where hosts differ."""

    vhid: int
    advbase: int = 1
    deadratio: int = 3
    options: str = ""
    scripts: Scripts | None = None
    length: int = 32  # of the prefix
    network: str = APART

    @property
    def name(self) -> str:
        return f"{self.vhid:03}"

    @property
    def address(self) -> str:
        return f"{self.network}.{self.vhid}"

    @property
    def ip(self) -> IPv4Address:
        return IPv4Address(self.address)

    @property
    def preferred(self) -> str:
        return _NAMES[self.vhid % len(_NAMES)]

    @property
    def interval(self) -> float:
        return timing.interval(self.advbase, self._slowest)

    @property
    def master_down(self) -> float:
        return timing.master_down(self.advbase, self._slowest, self.deadratio)

    @property
    def lease(self) -> float:
        """As the daemon has it for these settings."""
        config = VipConfig.model_construct(
            advbase=self.advbase, advskew=self._slowest, deadratio=self.deadratio
        )
        return float(config.longest_lease)

    @property
    def scripted(self) -> bool:
        """Whether a script adds the address, and not vipd."""
        return self.scripts is Scripts.ADDING

    @property
    def _slowest(self) -> int:
        return _STEP * (len(_NAMES) - 1) + WITHIN

    def advskew(self, host: str) -> int:
        behind = _NAMES.index(host) - _NAMES.index(self.preferred)
        return _STEP * (behind % len(_NAMES))

    def file(self, directory: Path, host: str) -> Path:
        """Its configuration file on a host."""
        return directory / host / f"vip-{self.name}.conf"

    def write(
        self,
        directory: Path,
        host: str,
        *,
        more: int = 0,
        source: str | None = None,
        keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """(Re)write that file as editors do: a new one is moved to the place of the old one.
        ``more`` is added to the advskew."""
        written = write_vip(
            directory / f"{host}.new",
            self.name,
            VHID=str(self.vhid),  # a name like 010 is 8 for ucarp, and for us
            VIP_ADDRESS=f"{self.address}/{self.length}",
            SOURCE_ADDRESS=source,
            OPTIONS=f"--preempt --shutdown --advbase={self.advbase} --deadratio={self.deadratio} "
            f"--advskew={self.advskew(host) + more} {self.options}",
            SCRIPT_TIMEOUT=f"{SCRIPT_TIMEOUT:g}",
            UPSCRIPT=str(directory / "up") if self.scripts else None,
            DOWNSCRIPT=str(directory / "down") if self.scripts else None,
            MANAGE_ADDRESS="yes" if self.scripts is Scripts.IDLE else None,
            UPSCRIPT_FAILURE="demote" if self.scripts is Scripts.ADDING else None,
            **keys,
        )
        written.rename(self.file(directory, host))


def write_crowd(directory: Path, host: str) -> None:
    """The files of the VIPs that only listen: they wait for a master for 11 hours."""
    for vhid in CROWD:
        write_vip(
            directory / host,
            f"{vhid:03}",
            VHID=str(vhid),
            VIP_ADDRESS=f"192.0.2.{vhid}",
            OPTIONS="--advbase=200 --deadratio=200",
        )


def write_scripts(directory: Path) -> None:
    """The scripts that all hosts share."""
    write_script(directory / "up", _SCRIPT.format(mode=SCRIPT_MODE, verb="replace"))
    write_script(directory / "down", _SCRIPT.format(mode=SCRIPT_MODE, verb="del"))


GROUPS = (
    *(Group(vhid) for vhid in (1, 2, 3)),
    Group(4, deadratio=2),
    Group(5, advbase=2, deadratio=2),
    Group(6, options="--nomcast"),
    Group(7, options="--xparam=idle", scripts=Scripts.IDLE),
    Group(8, scripts=Scripts.ADDING),
    # The kernel takes the second of these two for a secondary address of the first, which goes with
    # it. What is put back with the next advertisement only is away for 2 s.
    Group(9, advbase=2, deadratio=2, length=24),
    Group(10, advbase=2, deadratio=2, length=24),
    # In the hosts' own network, with its prefix length.
    Group(11, length=24, network=AMONG),
)
#: The VHIDs of the crowd.
CROWD = range(len(GROUPS) + 1, 255)
