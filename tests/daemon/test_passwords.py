"""Two passwords: either is believed, and the copy that comes with the other one counts for
nothing."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from vipd.carp.digest import Digest
from vipd.carp.host import Address, by_address, in_both
from vipd.carp.packet import Advertisement, Drop
from vipd.config.model import VipConfig
from vipd.config.secret import SecretBytes
from vipd.daemon.vips.passwords import Passwords

VIP = IPv4Interface("198.51.100.154/32")
VIP_IPV6 = IPv6Interface("2001:db8::154/128")
PEER, OTHER = IPv4Address("198.51.100.180"), IPv4Address("198.51.100.181")
PEER_IPV6 = IPv6Address("fe80::180")
OLD, NEW = b"love", b"trust"


def config(*passwords: bytes, **settings: Any) -> VipConfig:
    also = SecretBytes(passwords[1]) if len(passwords) > 1 else None
    words = {"addresses": (VIP,), "source": None, "password_also": also, **settings}
    return VipConfig(
        id="001", file="f", vhid=1, interface="eth1", password=SecretBytes(passwords[0]), **words
    )


def ad(password: bytes, counter: int, source: Address = PEER, **words: Any) -> Advertisement:
    addresses = words.pop("addresses", [VIP.ip])
    host = words.pop("host", by_address(source))
    advbase, advskew = words.get("advbase", 1), words.get("advskew", 0)
    digest = Digest(password, 1, addresses).sign(counter)
    return Advertisement(source, source, 1, advbase, advskew, 0, counter, digest, host)


def heard(passwords: Passwords, *ads: Advertisement) -> list[bool]:
    """Of each, whether it is a copy. All have to be believed."""
    copies = []
    for each in ads:
        assert passwords.doubts(each, (), [0, 0]) is None
        copies.append(passwords.is_copy(each, 0.0, tagged=False))
    return copies


def signs_with(passwords: Passwords) -> dict[str, str]:
    return {str(each.source): each.signs_with for each in passwords.signers}


def test_either_password_is_believed_and_no_third_one() -> None:
    passwords = Passwords(config(OLD, NEW))
    assert heard(passwords, ad(OLD, 1), ad(NEW, 2)) == [False, False]
    assert passwords.doubts(ad(b"hate", 3), (), [0, 0]) is Drop.DIGEST
    assert passwords.doubts(ad(NEW, 3), (PEER,), [2, 3]) is Drop.ECHO
    assert passwords.doubts(ad(OLD, 3), (PEER,), [2, 2]) is Drop.OWN_SOURCE


def test_an_advertisement_is_signed_with_each_password() -> None:
    words = 7, b"us", (1, 0, 0)
    both = Passwords(config(OLD, NEW)).sign(*words)
    assert both == [Passwords(config(each)).sign(*words)[0] for each in (OLD, NEW)]


def test_the_second_copy_of_an_advertisement_is_one_in_either_order() -> None:
    passwords = Passwords(config(OLD, NEW))
    ads = ad(OLD, 1), ad(NEW, 1), ad(NEW, 2), ad(OLD, 2)
    assert heard(passwords, *ads) == [False, True, False, True]


def test_what_the_network_doubles_counts_as_with_one_password() -> None:
    passwords = Passwords(config(OLD, NEW))
    ads = ad(OLD, 1), ad(OLD, 1), ad(NEW, 1), ad(NEW, 1)
    assert heard(passwords, *ads) == [False, False, True, True]


def test_another_host_or_other_words_are_no_copy() -> None:
    """A bow-out always gets through, even if it has the counter of what came before it."""
    passwords = Passwords(config(OLD, NEW))
    leaves = ad(NEW, 1, advbase=255, advskew=255)
    assert heard(passwords, ad(OLD, 1), ad(NEW, 1, OTHER), leaves) == [False, False, False]


def test_each_family_has_a_copy_of_its_own() -> None:
    both = {"addresses": (VIP, VIP_IPV6)}
    passwords = Passwords(config(OLD, NEW, **both))
    words = {"addresses": [VIP.ip, VIP_IPV6.ip]}
    name = in_both(PEER)
    ads = [
        ad(password, 1, source, host=host, **words)
        for source, host in ((PEER, by_address(PEER)), (PEER_IPV6, name))
        for password in (OLD, NEW)
    ]
    assert heard(passwords, *ads) == [False, True, False, True]
    assert signs_with(passwords) == {str(PEER): "both"}


def test_it_is_known_which_host_signs_with_which() -> None:
    passwords = Passwords(config(OLD, NEW))
    third = IPv4Address("198.51.100.182")
    for counter in range(1, 9):
        heard(passwords, ad(OLD, counter), ad(NEW, counter))
        heard(passwords, ad(OLD, counter, OTHER), ad(NEW, counter, third))
    assert signs_with(passwords) == {
        str(PEER): "both",
        str(OTHER): "PASSWORD",
        str(third): "PASSWORD_ALSO",
    }
    heard(passwords, ad(OLD, 9), ad(OLD, 10), ad(OLD, 11))
    assert signs_with(passwords)[str(PEER)] == "both"  # some were lost
    heard(passwords, ad(OLD, 12))
    assert signs_with(passwords)[str(PEER)] == "PASSWORD"


def test_with_one_password_nobody_is_remembered() -> None:
    passwords = Passwords(config(OLD))
    assert heard(passwords, ad(OLD, 1), ad(OLD, 1)) == [False, False]
    assert signs_with(passwords) == {}


def test_forged_sources_do_not_fill_the_memory() -> None:
    passwords = Passwords(config(OLD, NEW))
    for number in range(1, 200):
        heard(passwords, ad(OLD, number, IPv4Address(number)))
    assert len(signs_with(passwords)) == 32
