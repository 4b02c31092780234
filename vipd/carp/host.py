"""Which host an advertisement comes from: bytes that name the host within its group, and that sort
as the tie-break between equal hosts does. The lower one wins."""

from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


def by_address(source: Address) -> bytes:
    """A host that is known by its source address.

    IPv4 addresses sort as ucarp sees them, and it compares ``s_addr`` as a little-endian machine
    loads it, so the last octet counts most: 198.51.100.5 wins against 192.0.2.10 (measured).
    Comparing them as people would makes two masters beside a ucarp in another subnet. No other
    program compares IPv6 addresses (a BSD master yields to every equal one); they sort as numbers.
    """
    return source.packed[::-1] if source.version == 4 else source.packed
