"""What the kernel needs for an address, by how many there are: the part of the cost of many
addresses that no program can save."""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface

from bench.crowd import host_on_all
from bench.families import IPV4
from vipd.lab import Lab, LabError
from vipd.linux.addresses import Address, AnyInterface
from vipd.linux.netlink import Netlink

FAMILIES = ("IPv4", "IPv6")
#: How many addresses there are in the end, on so many interfaces.
SIZES = (4, 256, 1024, 2048)
INTERFACES = 4
#: Added, from none to all of them, and deleted again, one by one; renewed, when all are there, many
#: with one system call.
REQUESTS = ("add", "renew", "delete")
_LEASE = 300  # seconds: none ends meanwhile


def addresses() -> dict[str, dict[str, float]]:
    """Microseconds of a request, by `title` and family: the mean of all addresses."""
    with Lab(history=False) as lab:
        host = host_on_all(lab, "web01", 1, INTERFACES, IPV4)
        done = host.run([sys.executable, "-m", "bench.kernel"], timeout=60.0)
    if done.returncode:
        raise LabError(f"the kernel's part could not be measured: {done.stderr}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def title(request: str, size: int) -> str:
    return f"{request}, {size} addresses"


def _here() -> dict[str, dict[str, float]]:
    """In this network namespace."""
    found: dict[str, dict[str, float]] = {}
    netlink = Netlink()
    for family in FAMILIES:  # the first ones take longer
        list(_measured(netlink, family, INTERFACES))
    for size in SIZES:
        for family in FAMILIES:
            for request, took in zip(REQUESTS, _measured(netlink, family, size), strict=True):
                found.setdefault(title(request, size), {})[family] = took / size * 1e6
    netlink.close()
    return found


def _measured(netlink: Netlink, family: str, size: int) -> Iterator[float]:
    """Seconds for all of `REQUESTS`, in turn."""
    some = [_address(family, number) for number in range(size)]
    yield _seconds([partial(each.add, netlink) for each in some])
    renewals = [each.renewal for each in some]
    refused: list[object] = []
    yield _seconds([lambda: refused.extend(netlink.post(renewals))])
    if refused:
        raise OSError(f"the kernel refused {len(refused)} of {size} renewals")
    yield _seconds([partial(each.delete, netlink) for each in some])


def _seconds(acts: Sequence[Callable[[], object]]) -> float:
    began = time.monotonic()
    for act in acts:
        act()
    return time.monotonic() - began


def _address(family: str, number: int) -> Address:
    row, interface = divmod(number, INTERFACES)
    name = f"eth{interface + 1}"
    where: AnyInterface
    if family == FAMILIES[0]:
        where = IPv4Interface(f"10.{200 + interface}.{row // 250}.{row % 250 + 1}/32")
    else:
        where = IPv6Interface(f"2001:db8:{interface + 1:x}::{row + 1:x}/64")
    return Address(socket.if_nametoindex(name), where, _LEASE)


if __name__ == "__main__":
    print(json.dumps(_here()))
