"""Wills: whatever is in one, the kernel is only asked to delete an address or prepare for that."""

import struct

from vipd.daemon.cleanup.farewell import DELETE, PREPARE, understood

KINDS = {DELETE: 21, PREPARE: 19}  # RTM_DELADDR, RTM_SETLINK
REQUEST_AND_ACK = 5


def check(data: bytes) -> None:
    try:
        interface, requests, frames, packets = understood(data)
    except ValueError:
        return
    assert data.endswith(b"\n")
    assert 0 < len(interface.encode()) < 16
    for key, request in requests:
        length, kind, flags = struct.unpack_from("=IHH", request)
        assert (length, kind, flags) == (len(request), KINDS[key], REQUEST_AND_ACK)
        assert length >= 16
    assert all(14 <= len(frame) < 1515 for frame in frames)
    assert all((packet[0] >> 4, len(packet)) in ((4, 56), (6, 76)) for packet in packets)
