"""Who advertises on a network segment, and with whose settings: what `vipctl scan` has heard."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hmac import compare_digest

from vipd.carp.digest import Keyed, hash_forms, hash_input
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement
from vipd.carp.vrrp import Vrrp, read
from vipd.config.model import VipConfig
from vipd.linux.listener import Sound
from vipd.linux.names import canonical


@dataclass(frozen=True, slots=True)
class Speaker:
    """A host that advertises one CARP VHID or VRRP id from one address. `packets`: how many were
    heard; `said`: the last one. `here`: it is this host."""

    said: Advertisement | Vrrp
    packets: int
    here: bool

    @property
    def protocol(self) -> str:
        return "CARP" if isinstance(self.said, Advertisement) else f"VRRP {self.said.version}"

    @property
    def number(self) -> int:
        """The VHID or the VRRP id."""
        return self.said.vhid if isinstance(self.said, Advertisement) else self.said.vrid

    @property
    def interval(self) -> float:
        """Seconds, as it announces them."""
        if isinstance(self.said, Advertisement):
            return self.said.advbase + self.said.advskew / 256
        return self.said.interval


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ours that made a digest: the VIPs whose password, and whose VIP_ADDRESS."""

    password: VipConfig
    addresses: VipConfig

    @property
    def of_one(self) -> bool:
        return self.password is self.addresses


def speakers(sounds: Iterable[Sound]) -> list[Speaker]:
    """All that advertise, by number, protocol and address."""
    found: dict[tuple[int, str, int, int], Speaker] = {}
    for sound in sounds:
        said = read(sound.packet)
        if said is None:
            continue
        new = Speaker(said, 1, sound.here)
        source: Address = said.source
        key = (new.number, new.protocol, source.version, int(source))
        before = found.get(key)
        packets = before.packets + 1 if before else 1
        found[key] = Speaker(said, packets, sound.here)
    return [found[key] for key in sorted(found)]


def settings_of(ad: Advertisement, ours: Sequence[VipConfig]) -> Settings | None:
    """The settings of ours that made the digest: those of a VIP, with its VHID or another one; or
    the password of one and the addresses of another, if either has this VHID."""
    keys: dict[bytes, Keyed] = {}
    tried = set()
    for each in _candidates(ad.vhid, ours):
        addresses = each.addresses.addresses
        for password in each.password.passwords:
            if (password, addresses) in tried:
                continue
            tried.add((password, addresses))
            if password not in keys:
                keys[password] = Keyed(password)
            for form in hash_forms(address.ip for address in addresses):
                made = keys[password](hash_input(ad.vhid, form, ad.counter))
                if compare_digest(made, ad.digest):
                    return each
    return None


def _candidates(vhid: int, ours: Sequence[VipConfig]) -> Iterator[Settings]:
    """The likeliest first."""
    same = [vip for vip in ours if vip.vhid == vhid]
    yield from (Settings(vip, vip) for vip in same)
    yield from (Settings(vip, vip) for vip in ours if vip.vhid != vhid)
    for vip in same:
        yield from (Settings(other, vip) for other in ours)
        yield from (Settings(vip, other) for other in ours)


def free(found: Iterable[Speaker], ours: Iterable[VipConfig], interface: str) -> list[int]:
    """The VHIDs that nobody was heard with, CARP or VRRP, and that our files do not have there."""
    taken = {each.number for each in found}
    taken |= {vip.vhid for vip in ours if canonical(vip.interface) == interface}
    return [vhid for vhid in range(1, 256) if vhid not in taken]


def ranges(numbers: Sequence[int]) -> str:
    """“1-3, 7, 9-255”, of ascending numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
