"""Addresses on interfaces: put there, taken away, and looked at."""

import errno
import socket
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from vipd.linux.messages import IFA_F_NODAD, IFA_F_SECONDARY, ifaddrmsg
from vipd.linux.netlink import NLM_F_ACK, NLM_F_DUMP, Netlink, NetlinkError, encode

_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTM_GETADDR = 22
_NLM_F_REPLACE = 0x100
_NLM_F_CREATE = 0x400

AnyInterface = IPv4Interface | IPv6Interface


class Address:
    """One address on one interface (by index). The messages are built once, so that taking over
    hundreds of addresses costs no more than the kernel needs.

    Both operations may be repeated: adding what is there and deleting what is not there succeed.
    They raise NetlinkError when the kernel refuses: ENODEV interface gone, EPERM no CAP_NET_ADMIN.
    """

    __slots__ = ("_add", "_delete")

    def __init__(self, index: int, address: AnyInterface) -> None:
        flags = _NLM_F_CREATE | _NLM_F_REPLACE | NLM_F_ACK
        self._add = encode(_message(index, address), _RTM_NEWADDR, flags)
        self._delete = encode(_message(index, address), _RTM_DELADDR, NLM_F_ACK)

    def add(self, netlink: Netlink) -> None:
        netlink.request(self._add)

    def delete(self, netlink: Netlink) -> bool:
        """Whether it was there."""
        try:
            netlink.request(self._delete)
        except NetlinkError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return False
            raise
        return True


def addresses(netlink: Netlink, index: int) -> list[AnyInterface]:
    """The addresses of one interface, in the kernel's order, secondary ones last. An interface
    that has just gone has none."""
    request = ifaddrmsg()
    request["index"] = index
    first: list[AnyInterface] = []
    second: list[AnyInterface] = []
    try:
        messages = list(netlink.dump(encode(request, _RTM_GETADDR, NLM_F_DUMP)))
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return []
        raise
    for message in messages:
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if message["index"] == index and text:
            found = ip_interface(f"{text}/{message['prefixlen']}")
            (second if message["flags"] & IFA_F_SECONDARY else first).append(found)
    return first + second


def _message(index: int, address: AnyInterface) -> ifaddrmsg:
    message = ifaddrmsg()
    message["index"] = index
    message["prefixlen"] = address.network.prefixlen
    attributes = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.version == 4:
        message["family"] = socket.AF_INET
    else:
        message["family"] = socket.AF_INET6
        # The election has already decided that it is ours alone; duplicate detection would keep
        # the address unusable for a second, and for ever if the old owner still answers.
        attributes.append(("IFA_FLAGS", IFA_F_NODAD))
    message["attrs"] = attributes
    return message
