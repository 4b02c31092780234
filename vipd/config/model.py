"""What the rest of vipd gets of the files: the settings of each virtual IP, with what follows from
them, and those of the daemon."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from vipd.config.field import Field, Model, settings
from vipd.config.health_fields import HealthFields

MAX_SOCKET_PATH = 107
"""Longest path of a unix socket, in bytes (unix(7))."""

ADVSKEW_MAX = 254
"""What DEMOTE_BY adds advskew up to."""
_MAY_BE_LATE = 0.1
"""Seconds by which an advertisement is expected to be late at most."""


@settings
class VipConfig(HealthFields):
    """The settings of one virtual IP. Two are equal when all fields are equal."""

    def differences(self, other: "VipConfig") -> list[str]:
        """Names of the fields in which two differ."""
        names = VipConfig.__dataclass_fields__
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    @property
    def passwords(self) -> tuple[bytes, ...]:
        """The password, and the second one if there is one."""
        both = self.password, self.password_also
        return tuple(each.get_secret_value() for each in both if each is not None)

    @property
    def lease_seconds(self) -> int | None:
        """The lease given to the kernel, in whole seconds; None: the address does not expire."""
        if self.lease == "off":
            return None
        return self.longest_lease if self.lease == "auto" else self.lease

    @property
    def longest_lease(self) -> int:
        """The longest lease that ends when a backup takes over: deadratio × advbase, in seconds.

        With deadratio 1, or 2 and a high advskew, that would lapse between two advertisements.
        """
        return max(self.deadratio * self.advbase, self.shortest_lease)

    @property
    def shortest_lease(self) -> int:
        """The next whole second after an advertisement has renewed the lease."""
        return int(self.renewed_within) + 1

    @property
    def guarded_for(self) -> float:
        """Seconds after an advertisement for which the guard leaves us the addresses: as long as
        the lease; with advbase 0 as long as the others wait, if that is less."""
        if self.lease == "auto":
            return self.believed_for
        return self.longest_lease if self.lease_seconds is None else self.lease_seconds

    @property
    def believed_for(self) -> float:
        """Seconds after an advertisement for which hosts that are set as we are wait for the next
        one (with advbase 0 deadratio intervals), but no shorter than one may take."""
        if self.advbase:
            return self.longest_lease
        return min(self.longest_lease, max(self.deadratio * self.interval, self.renewed_within))

    @property
    def guards_script(self) -> bool:
        """Whether the guard runs DOWNSCRIPT for addresses that have no lease."""
        return self.guard_script == "yes" and bool(self.downscript) and not self.manages_address

    @property
    def renewed_within(self) -> float:
        """Seconds until the next advertisement renews the lease, with a margin for lateness; of a
        sick host, too, if DEMOTE_BY makes it slower."""
        more = 0 if self.demote_by == "hand-over" else self.demote_by
        slowest = self.advbase + max(self.advskew, min(self.advskew + more, ADVSKEW_MAX)) / 256
        return (slowest or self.interval) + _MAY_BE_LATE

    @property
    def interval(self) -> float:
        """Seconds between two advertisements (1/256 with 0 for both, as OpenBSD has it)."""
        return self.advbase + self.advskew / 256 or 1 / 256

    @property
    def moving(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """All addresses that its owner has."""
        return self.addresses + tuple(extra.address for extra in self.extra_addresses)

    @property
    def here(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """Those of them that are on BIND_INTERFACE."""
        extras = (e for e in self.extra_addresses if e.interface in (None, self.device))
        return self.addresses + tuple(extra.address for extra in extras)

    def source_of(self, version: int) -> IPv4Address | IPv6Address | None:
        """The configured source address of this IP version."""
        return self.source if version == 4 else self.source_ipv6

    @property
    def families(self) -> tuple[int, ...]:
        """The IP versions in which it advertises: those of PEERS, or else of its addresses; 4
        before 6."""
        named = self.addresses if self.peers is None else self.peers
        return tuple(sorted({address.version for address in named}))

    @property
    def device(self) -> str:
        """`interface` without a label: eth1 of eth1:100, as the kernel reads it."""
        return self.interface.partition(":")[0]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that describe it to scripts and checks."""
        return {
            "ID": self.id,
            "VHID": str(self.vhid),
            "ADDRESSES": " ".join(map(str, self.addresses)),
            "EXTRA_ADDRESSES": " ".join(map(str, self.extra_addresses)),
            "INTERFACE": self.interface,
        }

    @property
    def manages_address(self) -> bool:
        """Whether vipd adds the addresses itself. Only usable scripts are in `upscript`."""
        if self.manage_address == "auto":
            return self.upscript is None
        return self.manage_address == "yes"


@dataclass(frozen=True, slots=True)
class Tcp:
    """An address of this host and a port, 1 to 65535."""

    address: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """A unix socket, by its whole path."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@settings
class Settings(Model):
    """Settings of vip-common.conf that are not for one virtual IP: those of the daemon as a whole,
    and of vipctl."""

    metrics_listen: Tcp | Unix | None = Field(
        default=None,
        description="METRICS_LISTEN: where Prometheus finds the metrics: ADDRESS:PORT, like "
        "127.0.0.1:9112 or [::1]:9112, or unix:/PATH; off, the default: nowhere.",
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description="HOSTS: names for ssh, separated by blanks, of the hosts that vipctl cluster "
        "and vipctl diff ask when none are named. vipd itself does not use them.",
    )
