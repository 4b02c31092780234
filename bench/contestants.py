"""vipd, ucarp and keepalived, each set up to do the same: N floating addresses on one interface.

All take a failed master for dead after 3 s and a bit. The preferred host has advskew 0, the other
10, both preempt. keepalived says it with priorities: its skew is (256 - priority)/256 s, so 246 is
advskew 10, and 254 is as near to 0 as a host gets that does not own the address.
"""

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Group:
    """One floating address (a host route), its number on the wire (1 to 255), and where it is."""

    vhid: int
    address: str
    interface: str = "eth1"

    @property
    def name(self) -> str:
        """Unlike any other group's on the host."""
        return f"{self.interface}-{self.vhid:03}"


class Contestant(Protocol):
    """A daemon under measurement."""

    name: str
    #: Regex of the log line that says that one group listens.
    listening: str
    #: Silence in seconds after which the host that is not preferred takes over.
    master_down: float
    #: Whether a preferred host takes over as soon as it hears one that is not.
    preempts_at_once: bool
    #: Whether a group may be one of IPv6.
    ipv6: bool

    def start(
        self, host: Host, groups: Sequence[Group], *, preferred: bool, directory: Path
    ) -> Process:
        """Start it; files it needs go to ``directory``. SIGTERM to the process stops one group."""
        ...


def _options(preferred: bool) -> str:
    return "--shutdown --preempt" + ("" if preferred else f" --advskew={ADVSKEW}")


def _source(host: Host, group: Group) -> str:
    return host.cable(group.interface).addresses[0].split("/")[0]


class Vipd:
    """This checkout's vipd: one process, one file a group."""

    name = "vipd"
    listening = r"Switching to state: BACKUP"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = True
    ipv6 = True

    def start(
        self, host: Host, groups: Sequence[Group], *, preferred: bool, directory: Path
    ) -> Process:
        files = directory / host.name
        files.mkdir(mode=0o700)
        for group in groups:
            (files / f"vip-{group.name}.conf").write_text(
                f"ID={group.vhid}\n"
                f"VIP_ADDRESS={group.address}\n"
                f"PASSWORD={PASSWORD}\n"
                f"BIND_INTERFACE={group.interface}\n"
                f"{self._source_address(host, group)}"
                f'OPTIONS="{_options(preferred)}"\n'
            )
        return host.vipd(files)

    @staticmethod
    def _source_address(host: Host, group: Group) -> str:
        if is_ipv6(group.address):
            return ""  # the interface's link-local address
        return f"SOURCE_ADDRESS={_source(host, group)}\n"


class Ucarp:
    """The distribution's ucarp: one process a group, started by one shell, as its service does."""

    name = "ucarp"
    listening = r"Switching to state: BACKUP"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = True
    ipv6 = False

    def start(
        self, host: Host, groups: Sequence[Group], *, preferred: bool, directory: Path
    ) -> Process:
        require("ucarp")
        common = (
            f"ucarp --pass={PASSWORD} --upscript={VIP_UP} --downscript={VIP_DOWN} "
            f"{_options(preferred)}"
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
    listening = r"Entering BACKUP STATE \(init\)"
    master_down = 3 + ADVSKEW / 256
    preempts_at_once = False
    ipv6 = True

    def start(
        self, host: Host, groups: Sequence[Group], *, preferred: bool, directory: Path
    ) -> Process:
        require("keepalived")
        file = directory / f"{host.name}.conf"
        priority = 254 if preferred else 256 - ADVSKEW
        file.write_text(
            "".join(
                f"vrrp_instance v{group.name} {{\n"
                "    state BACKUP\n"
                f"    interface {group.interface}\n"
                f"    virtual_router_id {group.vhid}\n"
                f"    priority {priority}\n"
                "    advert_int 1\n"
                f"{self._address(group)}"
                "}\n"
                for group in groups
            )
        )
        # /run is the host's own, so the two hosts' pid files do not meet.
        pids = ("-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")
        return host.start(["keepalived", "-n", "-l", "-P", "-f", file, *pids])

    @staticmethod
    def _address(group: Group) -> str:
        if is_ipv6(group.address):
            return (
                "    version 3\n"
                "    native_ipv6\n"
                f"    virtual_ipaddress {{\n        {group.address}/128\n    }}\n"
            )
        return (
            "    authentication {\n"
            "        auth_type PASS\n"
            f"        auth_pass {PASSWORD}\n"
            "    }\n"
            f"    virtual_ipaddress {{\n        {group.address}/32\n    }}\n"
        )


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {contestant.name: contestant for contestant in (Vipd(), Ucarp(), Keepalived())}
)
