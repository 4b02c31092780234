"""The recorded packets themselves: the real ucarp's, and those made by hand from its definition."""

import hmac
import shlex
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from vipd.carp.packet import Advertisement, decode, encode

from .packets import ETHERNET, read_frame
from .story import FILE, Us, tell

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.rglob(FILE))
FROM_UCARP = [
    path for path in sorted(HERE.rglob("*.hex")) if path.read_text().startswith("# ucarp ")
]


def by_hand(hashed: bytes, password: bytes, counter: int) -> bytes:
    """The definition: the key padded with zeros to 20 bytes; the message and the counter."""
    return hmac.digest(password.ljust(20, b"\0"), hashed + counter.to_bytes(8, "big"), "sha1")


def hashed_forms(folder: Path, us: Us) -> dict[str, bytes]:
    """What a group hashes before the counter: as the folder has it, or else as ucarp does."""
    written = {path.stem: read_frame(path) for path in folder.glob("hashed*.hex")}
    if written:
        return written
    (address,) = us.addresses
    return {"hashed": b"\x02\x01" + bytes([us.vhid]) + ip_address(address).packed}


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_every_digest_that_is_believed_or_sent_is_the_one_made_by_hand(folder: Path) -> None:
    telling = tell(folder)
    for us, ad in telling.believed:
        right = [by_hand(h, us.password, ad.counter) for h in hashed_forms(folder, us).values()]
        assert ad.digest in right
    for packet in telling.sent:
        ours = hashed_forms(folder, telling.us)["hashed"]
        counter = int.from_bytes(packet[28:36], "big")
        assert packet[36:] == by_hand(ours, telling.us.password, counter)


def read(path: Path) -> tuple[bytes, Advertisement, dict[str, str]]:
    """A packet of the real ucarp, what we read in it, and what ucarp was told."""
    words = shlex.split(path.read_text().splitlines()[0])[2:]
    told = {"--mcast": "224.0.0.18"}
    while words:
        name, _, value = words.pop(0).partition("=")
        told[name] = value or (words.pop(0) if name != "-M" else "")
    packet = read_frame(path)[ETHERNET:]
    ad = decode(
        packet, {int(told["-v"], 8 if told["-v"] == "010" else 10): GROUPS[told["--mcast"]]}
    )
    assert isinstance(ad, Advertisement)
    return packet, ad, told


GROUPS = {text: IPv4Address(text) for text in ("224.0.0.18", "239.192.0.5")}


@pytest.mark.parametrize("path", FROM_UCARP, ids=[p.stem for p in FROM_UCARP])
def test_what_ucarp_sends_is_read_as_it_was_told(path: Path) -> None:
    _, ad, told = read(path)
    assert (str(ad.source), ad.advbase, ad.advskew) == (
        told["-s"],
        int(told["-b"]),
        int(told["-k"]),
    )
    assert ad.demotion == 0


@pytest.mark.parametrize("path", FROM_UCARP, ids=[p.stem for p in FROM_UCARP])
def test_we_would_have_sent_the_very_bytes_of_ucarp(path: Path) -> None:
    """But for the IP identification, which is random in ucarp, and the checksum over it."""
    packet, ad, _ = read(path)
    ours = encode(ad)
    assert ours[:4] + ours[6:10] + ours[12:] == packet[:4] + packet[6:10] + packet[12:]
