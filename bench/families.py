"""The two families of IP: the same hosts and floating addresses in each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """Addresses of one family. A ``{}`` is where a number goes.

    ``own``: of a host, the floating address of a pair among them; ``crowd``: floating addresses
    in a network of their own; ``apart``: of a host that has many of those, on one interface of
    several (the interface's number, and that of the host), with the length of its prefix.
    """

    name: str
    own: str
    length: int  # of the prefix of `own`
    crowd: str
    apart: str

    @property
    def floating(self) -> str:
        """The floating address of a pair."""
        return self.own.format(154)

    def host(self, number: int) -> str:
        """A host's address, with the length of its prefix."""
        return f"{self.own.format(number)}/{self.length}"

    def host_on(self, interface: int, number: int) -> str:
        """The address of a host on one of its interfaces, with the length of its prefix."""
        return self.apart.format(interface, number)

    @property
    def network(self) -> str:
        """What the addresses of a crowd begin with."""
        return self.crowd.format("")


IPV4 = Family("IPv4", "198.51.100.{}", 24, "203.0.113.{}", "10.0.{}.{}/24")
IPV6 = Family("IPv6", "2001:db8::{}", 64, "2001:db8:113::{}", "2001:db8:51:{}::{}/64")


def is_ipv6(address: str) -> bool:
    """Whether an address is of IPv6."""
    return ":" in address
