"""Which host an advertisement comes from: bytes that name the host within its group, and that sort
as the tie-break between equal hosts does. The lower one wins.

A group of one family knows a host by its source address. In a group of both families each host has
two, and both of its advertisements have to name the same host: the two families could otherwise
order two equal hosts differently, and both would yield, or neither. There the IPv4 address counts,
as far as it fits into the flow label of the IPv6 advertisement, which carries it: 20 bits, the last
octets. No other program sets or reads that label.
"""

from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
#: Length of a name that is a flow label.
LABEL_BYTES = 3


def by_address(source: Address) -> bytes:
    """A host that is known by its source address.

    IPv4 addresses sort as ucarp sees them, and it compares ``s_addr`` as a little-endian machine
    loads it, so the last octet counts most: 198.51.100.5 wins against 192.0.2.10 (measured).
    Comparing them as people would makes two masters beside a ucarp in another subnet. No other
    program compares IPv6 addresses (a BSD master yields to every equal one); they sort as numbers.
    """
    return source.packed[::-1] if source.version == 4 else source.packed


def by_label(label: int) -> bytes:
    """A host that sends this flow label (20 bits, not 0)."""
    return label.to_bytes(LABEL_BYTES, "big")


def in_both(source: Address) -> bytes:
    """A host of a group of both families, by its IPv4 source address. Sorts as `by_address` does if
    the hosts are in one /12."""
    _, second, third, last = source.packed
    return by_label(last << 12 | third << 4 | second & 0xF)


def label_of(host: bytes) -> int:
    """The flow label that carries this name; 0 if it is not made for one."""
    return int.from_bytes(host, "big") if len(host) == LABEL_BYTES else 0
