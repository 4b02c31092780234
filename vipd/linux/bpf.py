"""Classic BPF: small programs that the kernel runs on each packet before a socket gets it."""

import socket
import struct
from array import array
from collections.abc import Sequence

#: Operation, jump if true, jump if false (instructions to skip), operand.
Instruction = tuple[int, int, int, int]

# linux/filter.h, as far as it is needed
LD_IMM, LD_MEM = 0x00, 0x60
LD_B_ABS, LD_H_ABS, LD_W_ABS, LD_B_IND = 0x30, 0x28, 0x20, 0x50
LDX_MSH = 0xB1  # X = length of an IPv4 header
ST, TAX, TXA = 0x02, 0x07, 0x87
RSH_K, RSH_X, AND_K = 0x74, 0x7C, 0x54
JA, JEQ, JSET = 0x05, 0x15, 0x45
RET = 0x06

WHOLE = 0xFFFFFFFF  # RET: pass the whole packet; RET 0 drops it
REJECT = -1  # a jump to the last instruction, see resolve()
MAX_INSTRUCTIONS = 4096

_SO_ATTACH_FILTER = 26


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
