"""What bench makes of its measurements."""

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from bench import announcements, summary
from bench.figures import Figure, Section
from bench.parts import ON_REQUEST, PARTS
from bench.regularity import Sent, spreads
from bench.scale import Shape


def test_the_spread_of_a_second_is_from_its_first_to_its_last_advertisement() -> None:
    sent = [
        Sent(second + group / 100_000, group, 1.0) for second in range(3) for group in range(255)
    ]
    assert spreads(sent) == pytest.approx([254 / 100_000] * 3)


def test_a_shape_has_no_address_twice() -> None:
    shape = Shape(64, 4, ipv4=8, ipv6=8)
    addresses = [address for group in shape.all_groups() for address in group.addresses]
    assert len(set(addresses)) == len(addresses) == shape.addresses == 4096
    assert str(shape) == "4096 addresses in 256 groups on 4 interfaces"


def test_the_ten_lines_take_the_best_of_a_peer_and_the_worst_of_the_runs() -> None:
    figure = Figure(
        "first failed run to new owner",
        "ms",
        {"vipd": (1.0, 3.0), "keepalived, weight": (9.0,), "keepalived, FAULT": (8.0,)},
    )
    healed = Figure("two owners", "ms", {"vipd": (100.0, 400.0)})
    sections = [
        Section("A check fails", "", tuple(figure.values), (figure,)),
        Section("A partition heals", "", ("vipd",), (healed,)),
    ]
    _, _, first, second = summary.summary(sections).splitlines()
    assert [cell.strip() for cell in first.split("|")[2:5]] == ["400 ms", "–", "–"]
    assert [cell.strip() for cell in second.split("|")[2:5]] == ["2.00 ms", "–", "8.00 ms"]


def test_the_ten_lines_replace_those_of_the_last_run(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"a\n{summary.BEGIN}\nold\n{summary.END}\nb\n")
    assert summary.put("new", file)
    assert file.read_text() == f"a\n{summary.BEGIN}\nnew\n{summary.END}\nb\n"
    file.write_text("nothing")
    assert not summary.put("new", file)


def test_announcements_are_read_from_a_file_of_packets() -> None:
    arp = bytes(14) + IPv4Address("192.0.2.1").packed + bytes(10)
    advertisement = bytes(48) + IPv6Address("2001:db8::1").packed
    file = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 276)
    for kind, packet in ((0x0806, arp), (0x86DD, advertisement)):
        frame = struct.pack("!H", kind) + bytes(18) + packet
        file += struct.pack("=IIII", 5, 250_000, len(frame), len(frame)) + frame
    assert list(announcements.read(file)) == [(5.25, "192.0.2.1"), (5.25, "2001:db8::1")]


def test_what_takes_half_an_hour_is_measured_on_request_only() -> None:
    assert PARTS.keys() > ON_REQUEST
