"""The fourteen VIPs that three hosts share, how each is set up, and what follows for its timers.

Each host is the preferred one of four or five of them. The other two stand 20 and 40 steps of
1/256 s behind it, so that an edit may add up to 9 without changing who is preferred.

Beside them each host has a crowd: VIPs on all other VHIDs. They listen and never become master, so
they cost next to nothing, but whatever vipd does once for each VIP it does 254 times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType

from helpers.configured import model, write_script, write_vip

from vipd.carp import timing

#: host → its own address
HOSTS = MappingProxyType(
    {"web01": "198.51.100.179", "web02": "198.51.100.180", "web03": "198.51.100.181"}
)
HOSTS_IPV6 = MappingProxyType(
    {"web01": "2001:db8::179", "web02": "2001:db8::180", "web03": "2001:db8::181"}
)
#: The interface of the groups, and one of another network, for addresses that move with theirs.
HERE, ELSEWHERE = "eth1", "eth2"
#: Where the floating addresses are: in no host's own network, but for those of the second.
APART, AMONG, APART_IPV6 = "203.0.113.", "198.51.100.", "2001:db8:113::"
NETWORKS = (f"{APART}0/24", f"{APART_IPV6}/64")
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
#: Where a file CHECK says how this host's check of that name behaves: one of `Ailment`.
CHECK_MODES = "/run/lab"
#: CHECK_… of the groups that have checks, seconds and runs. A recovered check is not held: with
#: every fault it would be held for longer.
CHECK_INTERVAL, CHECK_FALL, CHECK_RISE = 1.0, 2, 2
_CHECK = """\
cd {modes}
number() {{
    n=$(cat "$1.runs" 2>/dev/null || echo 0)
    echo $((n + 1)) >"$1.runs"
}}
case $(cat "$1.mode" 2>/dev/null) in
fail) echo "no answer from $1"; exit 1 ;;
hang) exec sleep 60 ;;
alternate) number "$1"; [ $((n % 2)) = 0 ] ;;
flap) number "$1"; [ $((n / 3 % 2)) = 0 ] ;;
esac
"""


class Ailment(Enum):
    """How a check behaves."""

    FAIL = "fail"  # each run fails
    HANG = "hang"  # no run ends
    ALTERNATE = "alternate"  # never twice in a row the same: that is no verdict
    FLAP = "flap"  # three runs fail, three do not


class Scripts(Enum):
    """What the scripts of a group are for."""

    IDLE = "vipd adds the address, and nothing follows from what they do"
    ADDING = "UPSCRIPT adds the address, DOWNSCRIPT takes it away; a failure hands it on"


@dataclass(frozen=True, slots=True)
class Place:
    """A floating address, the length of its prefix, and where it is."""

    address: str
    length: int
    interface: str = HERE

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


@dataclass(frozen=True, slots=True)
class Group:
    """One VIP. Times are seconds, those of the slowest host where hosts differ. ``shared``: its
    VIP_ADDRESS; ``extra``: its EXTRA_ADDRESSES; ``check``: the name of its health check, or ""."""

    vhid: int
    advbase: int = 1
    deadratio: int = 3
    options: str = ""
    scripts: Scripts | None = None
    shared: tuple[Place, ...] = ()
    extra: tuple[Place, ...] = ()
    check: str = ""

    @property
    def name(self) -> str:
        return f"{self.vhid:03}"

    @property
    def places(self) -> tuple[Place, ...]:
        """All its addresses: where one of them is, the others are."""
        return self.shared + self.extra

    @property
    def addresses(self) -> tuple[str, ...]:
        """The same without more."""
        return tuple(place.address for place in self.places)

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
        config = model(advbase=self.advbase, advskew=self._slowest, deadratio=self.deadratio)
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
        source: bool = False,
        keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """(Re)write that file as editors do: a new one is moved to the place of the old one.
        ``more`` is added to the advskew; ``source``: whether it names its SOURCE_ADDRESS."""
        written = write_vip(
            directory / f"{host}.new",
            self.name,
            VHID=str(self.vhid),  # a name like 010 is 8 for ucarp, and for us
            VIP_ADDRESS=" ".join(map(str, self.shared)),
            EXTRA_ADDRESSES=" ".join(f"{each}@{each.interface}" for each in self.extra) or None,
            SOURCE_ADDRESS=self._source(host) if source else None,
            OPTIONS=f"--preempt --shutdown --advbase={self.advbase} --deadratio={self.deadratio} "
            f"--advskew={self.advskew(host) + more} {self.options}",
            SCRIPT_TIMEOUT=f"{SCRIPT_TIMEOUT:g}",
            UPSCRIPT=str(directory / "up") if self.scripts else None,
            DOWNSCRIPT=str(directory / "down") if self.scripts else None,
            MANAGE_ADDRESS="yes" if self.scripts is Scripts.IDLE else None,
            UPSCRIPT_FAILURE="demote" if self.scripts is Scripts.ADDING else None,
            **self._checks(directory),
            **keys,
        )
        written.rename(self.file(directory, host))

    def _checks(self, directory: Path) -> dict[str, str]:
        if not self.check:
            return {}
        return {
            f"CHECK_{self.check.upper()}": f"{directory / 'check'} {self.check}",
            "CHECK_INTERVAL": f"{CHECK_INTERVAL:g}",
            "CHECK_FALL": str(CHECK_FALL),
            "CHECK_RISE": str(CHECK_RISE),
            "CHECK_HOLD": "0",
            "CHECK_USER": "root",  # the files are in a directory that is closed to others
        }

    def _source(self, host: str) -> str:
        versions = {ip_address(place.address).version for place in self.shared}
        own = {4: HOSTS[host], 6: HOSTS_IPV6[host]}
        return " ".join(own[version] for version in sorted(versions))


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
    write_script(directory / "check", _CHECK.format(modes=CHECK_MODES))


def _at(number: int, length: int = 32, interface: str = HERE) -> tuple[Place]:
    return (Place(f"{APART}{number}", length, interface),)


def _ipv6_at(number: int, interface: str = HERE) -> tuple[Place]:
    return (Place(f"{APART_IPV6}{number}", 128, interface),)


GROUPS = (
    Group(1, shared=_at(1)),
    Group(2, shared=_at(2), check="web"),
    Group(3, shared=_at(3)),
    Group(4, shared=_at(4), deadratio=2, check="db"),
    Group(5, shared=_at(5), advbase=2, deadratio=2),
    Group(6, shared=_at(6), options="--nomcast", check="db"),
    Group(7, shared=_at(7), options="--xparam=idle", scripts=Scripts.IDLE),
    Group(8, shared=_at(8), scripts=Scripts.ADDING),
    # The kernel takes the second of these two for a secondary address of the first, which goes with
    # it. What is put back with the next advertisement only is away for 2 s.
    Group(9, shared=_at(9, 24), advbase=2, deadratio=2),
    Group(10, shared=_at(10, 24), advbase=2, deadratio=2),
    # In the hosts' own network, with its prefix length.
    Group(11, shared=(Place(f"{AMONG}11", 24),), check="db"),
    Group(12, shared=_ipv6_at(12), check="web"),
    Group(13, shared=_at(13) + _ipv6_at(13), check="web"),
    Group(
        14,
        shared=_at(14),
        extra=_at(114) + _ipv6_at(114) + _at(214, 32, ELSEWHERE) + _ipv6_at(214, ELSEWHERE),
    ),
)
#: The names of all checks.
CHECKS = tuple(sorted({group.check for group in GROUPS if group.check}))
#: The VHIDs of the crowd.
CROWD = range(len(GROUPS) + 1, 255)
