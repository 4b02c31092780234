"""Classic BPF: small programs that the kernel runs on each packet before a socket gets it."""

import socket
import struct
from array import array
from collections.abc import Sequence

#: Operation, jump if true, jump if false (instructions to skip), operand.
Instruction = tuple[int, int, int, int]

# linux/filter.h, as far as it is needed
LD_IMM, LD_MEM = 0x00, 0x60
LD_B_ABS, LD_H_ABS, LD_W_ABS, LD_B_IND, LD_W_IND = 0x30, 0x28, 0x20, 0x50, 0x40
LDX_MSH = 0xB1  # X = length of an IPv4 header
LDX_IMM, LDX_MEM = 0x01, 0x61
ST, TAX, TXA = 0x02, 0x07, 0x87
RSH_K, RSH_X, AND_K = 0x74, 0x7C, 0x54
JA, JEQ, JSET, JEQ_X = 0x05, 0x15, 0x45, 0x1D
RET = 0x06

WHOLE = 0xFFFFFFFF  # RET: pass the whole packet; RET 0 drops it
REJECT = -1  # a jump to the last instruction, see resolve()

# Facts about a packet that are not in it: "addresses" from SKF_AD_OFF on, loaded as words
_ANCILLARY = 0xFFFFF000
_PACKET_TYPE, _INTERFACE, _VLAN_TAG = _ANCILLARY + 4, _ANCILLARY + 8, _ANCILLARY + 44
#: Where the netlink attribute of kind X is, from offset A on; 0: nowhere. For `LD_W_ABS`.
ATTRIBUTE = _ANCILLARY + 12
#: A random number, for `LD_W_ABS`.
RANDOM = _ANCILLARY + 56
_THIS_HOST, _OTHER_HOST = 0, 3  # PACKET_HOST, PACKET_OTHERHOST, linux/if_packet.h
_VLAN_ID = 0x0FFF

_SO_ATTACH_FILTER = 26


def of_interface(index: int) -> list[Instruction]:
    """Pass on what belongs to this interface's own network segment, reject the rest.

    A socket that is bound to a trunk's parent also gets what came with a VLAN tag: with a VLAN
    device for it, under that device's name (another interface); without one, marked as meant for
    another host, the tag taken off already. So do unicast frames for others while the card is
    promiscuous. A tag with VLAN ID 0 (a priority tag) belongs to the untagged segment, and stays.
    """
    return [
        (LD_W_ABS, 0, 0, _PACKET_TYPE),
        (JEQ, REJECT, 0, _OTHER_HOST),
        (LD_W_ABS, 0, 0, _INTERFACE),
        (JEQ, 0, REJECT, index),
        (LD_W_ABS, 0, 0, _VLAN_TAG),
        (JSET, REJECT, 0, _VLAN_ID),
    ]


def to_us() -> list[Instruction]:
    """Reject what is for several hosts or for another."""
    return [(LD_W_ABS, 0, 0, _PACKET_TYPE), (JEQ, 0, REJECT, _THIS_HOST)]


def resolve(program: Sequence[Instruction]) -> list[Instruction]:
    """Put distances in place of REJECT; at most 255 instructions away."""
    last = len(program) - 1
    return [
        (
            op,
            last - at - 1 if yes == REJECT else yes,
            last - at - 1 if no == REJECT else no,
            k,
        )
        for at, (op, yes, no, k) in enumerate(program)
    ]


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Let ``program`` decide what ``sock`` receives; it replaces an earlier one atomically."""
    code = array("B", b"".join(struct.pack("=HBBI", op, yes, no, k) for op, yes, no, k in program))
    address, length = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length // 8, address))
