"""vipd, ucarp and keepalived, each set up to do the same: N floating addresses on one interface.

All take a failed master for dead after 3 s and a bit. The preferred host has advskew 0, the other
10, both preempt. keepalived says it with priorities: its skew is (256 - priority)/256 s, so 246 is
advskew 10, and 254 is as near to 0 as a host gets that does not own the address.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from bench.families import is_ipv6
from vipd.lab import Host, Process
from vipd.lab.errors import require
from vipd.lab.host import VIP_DOWN, VIP_UP

PASSWORD = "love"
ADVSKEW = 10  # of the host that is not preferred
#: The same at intervals of 31 ms (advbase 0): of the preferred host, and of the other one.
FAST_SKEWS = (8, 10)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a pair is set up. ``preempt``: whether the preferred host takes its addresses back;
    ``fast``: advertisements every 31 ms, and not every second. ``skew``: the advskew of a host, if
    it is neither of the usual ones. ``checks``: programs that all
    addresses depend on, each with its interval in seconds, and how many bad runs count.
    ``weight``: what one that fails takes from keepalived's priority; 0: it is a fault."""

    preempt: bool = True
    fast: bool = False
    skew: int | None = None
    checks: tuple["Check", ...] = ()
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A program that says whether a host is fit."""

    name: str
    program: str
    interval: float
    fall: int


USUAL = Manner()


@dataclass(frozen=True, slots=True)
class Group:
    """One floating address (a host route), its number on the wire (1 to 255), and where it is.
    ``more``: further addresses of the same group, of either family."""

    vhid: int
    address: str
    interface: str = "eth1"
    more: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them."""
        return (self.address, *self.more)

    @property
    def name(self) -> str:
        """Unlike any other group's on the host."""
        return f"{self.interface}-{self.vhid:03}"


class Contestant(Protocol):
    """A daemon under measurement."""

    name: str
    #: Whether it can advertise every 31 ms, and whether it runs checks.
    fast: bool
    checks: bool
    #: Regex of the log line that says that one group listens.
    listening: str
    #: Silence in seconds after which the host that is not preferred takes over.
    master_down: float
    #: Whether a preferred host takes over as soon as it hears one that is not.
    preempts_at_once: bool
    #: Whether a group may be one of IPv6.
    ipv6: bool

    def start(
        self,
        host: Host,
        groups: Sequence[Group],
        *,
        preferred: bool,
        directory: Path,
        manner: Manner = USUAL,
    ) -> Process:
        """Start it; files it needs go to ``directory``. SIGTERM to the process stops one group."""
        ...


def _skew(preferred: bool, manner: Manner) -> int:
    if manner.skew is not None:
        return manner.skew
    return 0 if preferred else ADVSKEW


def _options(preferred: bool, manner: Manner) -> str:
    words = ["--shutdown", *["--preempt"] * manner.preempt]
    if manner.fast:
        words += ["--advbase=0", f"--advskew={FAST_SKEWS[not preferred]}"]
    else:
        words.append(f"--advskew={_skew(preferred, manner)}")
    return " ".join(words)


def _source(host: Host, group: Group) -> str:
    return host.cable(group.interface).addresses[0].split("/")[0]


class Vipd:
    """This checkout's vipd: one process, one file a group. ``run`` starts it on a directory."""

    name = "vipd"
    fast = checks = True
    listening = r"Switching to state: BACKUP"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = True
    ipv6 = True

    def __init__(self, run: Callable[[Host, Path], Process] = Host.vipd) -> None:
        self._run = run

    def start(
        self,
        host: Host,
        groups: Sequence[Group],
        *,
        preferred: bool,
        directory: Path,
        manner: Manner = USUAL,
    ) -> Process:
        files = directory / host.name
        files.mkdir(mode=0o700, parents=True)
        for group in groups:
            (files / f"vip-{group.name}.conf").write_text(
                f"ID={group.vhid}\n"
                f'VIP_ADDRESS="{" ".join(group.addresses)}"\n'
                f"PASSWORD={PASSWORD}\n"
                f"BIND_INTERFACE={group.interface}\n"
                f"{self._source_address(host, group)}"
                f'OPTIONS="{_options(preferred, manner)}"\n'
                f"{self._checks(manner)}"
            )
        return self._run(host, files)

    @staticmethod
    def _checks(manner: Manner) -> str:
        lines = ["CHECK_USER=root\nCHECK_HOLD=0\n"] if manner.checks else []
        for check in manner.checks:
            key = f"CHECK_{check.name.upper()}"
            lines.append(
                f"{key}='{check.program}'\n"
                f"{key}_INTERVAL={check.interval:g}\n"
                f"{key}_FALL={check.fall}\n"
                f"{key}_RISE={check.fall}\n"
            )
        return "".join(lines)

    @staticmethod
    def _source_address(host: Host, group: Group) -> str:
        if is_ipv6(group.address):
            return ""  # the interface's link-local address
        return f"SOURCE_ADDRESS={_source(host, group)}\n"


class Ucarp:
    """The distribution's ucarp: one process a group, started by one shell, as its service does."""

    name = "ucarp"
    fast = checks = False
    listening = r"Switching to state: BACKUP"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = True
    ipv6 = False

    def start(
        self,
        host: Host,
        groups: Sequence[Group],
        *,
        preferred: bool,
        directory: Path,
        manner: Manner = USUAL,
    ) -> Process:
        require("ucarp")
        common = (
            f"ucarp --pass={PASSWORD} --upscript={VIP_UP} --downscript={VIP_DOWN} "
            f"{_options(preferred, manner)}"
        )
        lines = [
            f"{common} --interface={group.interface} --srcip={_source(host, group)} "
            f"--vhid={group.vhid} --addr={group.address}"
            for group in groups
        ]
        script = directory / f"{host.name}.sh"
        # The last one replaces the shell: a single ucarp is then the process that gets signals.
        script.write_text(" &\n".join([*lines[:-1], f"exec {lines[-1]}\n"]))
        return host.start(["sh", script], name="ucarp")


class Keepalived:
    """The distribution's keepalived, its parent and one VRRP process: version 2 of VRRP, and
    version 3, which knows no password, for IPv6."""

    name = "keepalived"
    fast = checks = True
    listening = r"Entering BACKUP STATE"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = False
    ipv6 = True

    def start(
        self,
        host: Host,
        groups: Sequence[Group],
        *,
        preferred: bool,
        directory: Path,
        manner: Manner = USUAL,
    ) -> Process:
        require("keepalived")
        file = directory / f"{host.name}.conf"
        priority = min(254, 256 - _skew(preferred, manner))
        interval = FAST_SKEWS[0] / 256 if manner.fast else 1
        file.write_text(
            self._scripts(manner)
            + "".join(
                f"vrrp_instance v{group.name} {{\n"
                "    state BACKUP\n"
                f"    interface {group.interface}\n"
                f"    virtual_router_id {group.vhid}\n"
                f"    priority {priority}\n"
                f"    advert_int {interval:.2g}\n"
                f"{'' if manner.preempt else '    nopreempt' + chr(10)}"
                f"{self._tracked(manner)}"
                f"{self._address(group, manner)}"
                "}\n"
                for group in groups
            )
        )
        # /run is the host's own, so the two hosts' pid files do not meet.
        pids = ("-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")
        return host.start(["keepalived", "-n", "-l", "-P", "-f", file, *pids])

    @staticmethod
    def _scripts(manner: Manner) -> str:
        """keepalived has whole seconds for the interval of a script."""
        start = (
            "global_defs {\n    script_user root\n    enable_script_security\n}\n"
            if manner.checks
            else ""
        )
        return start + "".join(
            f"vrrp_script {check.name} {{\n"
            f'    script "{check.program}"\n'
            f"    interval {check.interval:.0f}\n"
            f"    fall {check.fall}\n"
            f"    rise {check.fall}\n"
            f"    weight {-manner.weight}\n"
            "}\n"
            for check in manner.checks
        )

    @staticmethod
    def _tracked(manner: Manner) -> str:
        names = "".join(f"        {check.name}\n" for check in manner.checks)
        return f"    track_script {{\n{names}    }}\n" if names else ""

    @staticmethod
    def _address(group: Group, manner: Manner) -> str:
        if is_ipv6(group.address):
            return f"    version 3\n    native_ipv6\n{_block('', group.addresses)}"
        if manner.fast:  # version 2 has whole seconds
            return f"    version 3\n{_block('', group.addresses)}"
        # An instance is of one family; what is excluded from its advertisements may be of another.
        same = [each for each in group.addresses if not is_ipv6(each)]
        others = [each for each in group.addresses if is_ipv6(each)]
        return (
            "    authentication {\n"
            "        auth_type PASS\n"
            f"        auth_pass {PASSWORD}\n"
            "    }\n"
            f"{_block('', same)}{_block('_excluded', others)}"
        )


def _block(kind: str, addresses: Sequence[str]) -> str:
    lines = "".join(f"        {each}/{128 if is_ipv6(each) else 32}\n" for each in addresses)
    return f"    virtual_ipaddress{kind} {{\n{lines}    }}\n" if lines else ""


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {contestant.name: contestant for contestant in (Vipd(), Ucarp(), Keepalived())}
)
