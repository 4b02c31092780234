"""The programs with which the kernel sorts what comes in for the sockets of `vipd.linux.wire`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vipd.linux import bpf
from vipd.linux.family import ETHERNET_HEADER, Family

#: advbase and advskew.
Words = tuple[int, int]

_SENDER_AT = 6
_TYPE_AT = ETHERNET_HEADER  # plus the length of the IP header, as the next ones
_VHID_AT = ETHERNET_HEADER + 1
_WORDS_AT = ETHERNET_HEADER + 2  # advskew, length of the authentication, demotion, advbase
_AUTHLEN_AT = ETHERNET_HEADER + 3
_AUTHLEN = 7
#: How many different words `remarkable` knows at most; the program has some 40 instructions for
#: each, and net.core.optmem_max (20,480 bytes) has room for two such programs.
WORDS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sockets of an interface, by its ``index``, are to receive: packets for ``vhids``, of
    those that are malformed one of ``one_of``. ``routed``: any TTL is right. ``trusted``: the MAC
    addresses of the hosts that are, 16 at most."""

    index: int
    vhids: Mapping[Family, frozenset[int]] = field(default_factory=dict)
    one_of: int = 1
    routed: bool = False
    trusted: tuple[bytes, ...] = ()


def passes(wanted: Wanted, family: Family, known: bool) -> list[bpf.Instruction]:
    """Pass CARP packets of these VHIDs, from the hosts that are trusted, or from all others."""
    return [*_well_formed(wanted, family, known), (bpf.RET, 0, 0, bpf.WHOLE)]


def remarkable(
    wanted: Wanted, family: Family, expected: Mapping[Words, Collection[int]]
) -> list[bpf.Instruction]:
    """Pass one byte of each packet from a trusted host that does not say what is ``expected`` for
    its VHID, without demotion."""
    code = _well_formed(wanted, family, known=True)
    code.append((bpf.LD_W_IND, 0, 0, _WORDS_AT))
    for (advbase, advskew), vhids in expected.items():
        its = [*_in(vhids), (bpf.JEQ, 0, 1, 0), _RING, (bpf.RET, 0, 0, 0)]
        code += [(bpf.JEQ, 0, len(its), advskew << 24 | _AUTHLEN << 16 | advbase), *its]
    return [*code, _RING]


_RING: bpf.Instruction = (bpf.RET, 0, 0, 1)


def _well_formed(wanted: Wanted, family: Family, known: bool) -> list[bpf.Instruction]:
    """Go on behind the end with packets that are wanted, X being the length of their IP header;
    reject the rest."""
    rejected = 1
    return bpf.resolve(
        [
            *bpf.of_interface(wanted.index),
            *_senders(wanted.trusted, known),
            (bpf.LD_B_ABS, 0, 0, family.protocol_at),
            (bpf.JEQ, 0, bpf.REJECT, 112),
            *family.whole,
            family.header,
            *_in(wanted.vhids.get(family, ())),
            (bpf.JEQ, bpf.REJECT, 0, 0),
            # well-formed? skip the dice
            family.header,
            (bpf.LD_B_ABS, 0, 0, family.ttl_at),
            (bpf.JEQ, 0, 0 if wanted.routed else 4, 255),
            (bpf.LD_B_IND, 0, 0, _TYPE_AT),
            (bpf.JEQ, 0, 2, 0x21),
            (bpf.LD_B_IND, 0, 0, _AUTHLEN_AT),
            (bpf.JEQ, 3, 0, _AUTHLEN),
            (bpf.LD_W_ABS, 0, 0, bpf.RANDOM),
            (bpf.AND_K, 0, 0, wanted.one_of - 1),
            (bpf.JEQ, 0, bpf.REJECT, 0),
            (bpf.JA, 0, 0, rejected),
            (bpf.RET, 0, 0, 0),
        ]
    )


def _in(vhids: Iterable[int]) -> list[bpf.Instruction]:
    """Load 1 if the packet's VHID is one of these, else 0: its bit in eight 32-bit words. X has to
    be the length of the IP header, and is not any more."""
    words = [0] * 8
    for vhid in vhids:
        words[vhid >> 5] |= 1 << (vhid & 31)
    code: list[bpf.Instruction] = [
        (bpf.LD_B_IND, 0, 0, _VHID_AT),
        (bpf.TAX, 0, 0, 0),
        (bpf.RSH_K, 0, 0, 5),
    ]
    for number, word in enumerate(words):
        # which word? load it and go on behind the last of these
        code += [
            (bpf.JEQ, 0, 2, number),
            (bpf.LD_IMM, 0, 0, word),
            (bpf.JA, 0, 0, 3 * (len(words) - number - 1)),
        ]
    return [
        *code,
        (bpf.ST, 0, 0, 0),  # the word
        (bpf.TXA, 0, 0, 0),
        (bpf.AND_K, 0, 0, 31),
        (bpf.TAX, 0, 0, 0),
        (bpf.LD_MEM, 0, 0, 0),
        (bpf.RSH_X, 0, 0, 0),
        (bpf.AND_K, 0, 0, 1),
    ]


def _senders(trusted: Sequence[bytes], known: bool) -> list[bpf.Instruction]:
    """Pass on the frames from these MAC addresses, or all others, and reject the rest."""
    code: list[bpf.Instruction] = []
    rest = [4 if len(mac) == 6 else 2 for mac in trusted]
    for number, mac in enumerate(trusted):
        after = sum(rest[number + 1 :]) + 1  # instructions of the others, and the one below
        code.append((bpf.LD_W_ABS, 0, 0, _SENDER_AT))
        found = after if known else bpf.REJECT
        if len(mac) == 6:
            code += [
                (bpf.JEQ, 0, 2, int.from_bytes(mac[:4], "big")),
                (bpf.LD_H_ABS, 0, 0, _SENDER_AT + 4),
                (bpf.JEQ, found, 0, int.from_bytes(mac[4:], "big")),
            ]
        else:
            code.append((bpf.JEQ, found, 0, int.from_bytes(mac, "big")))
    if known:
        code.append((bpf.JEQ, bpf.REJECT, bpf.REJECT, 0))
    return code
