"""Which of the advertisements for a VIP count: the authentic ones, each once, by their sender."""

from collections.abc import Collection

from vipd.carp.host import Address
from vipd.carp.packet import Advertisement, Drop
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.both_families import BothFamilies


class Hearing:
    """``ours``: what signs our own advertisements, and so knows what may sign others'."""

    def __init__(
        self, config: VipConfig, ours: Advertiser, complaints: RateLimitedProblems
    ) -> None:
        both, unicast = len(config.families) > 1, config.peers is not None
        self._ours = ours
        self._both_families = BothFamilies(complaints, unicast) if both else None

    def take(
        self, ad: Advertisement, sources: Collection[Address], now: float
    ) -> Advertisement | Drop | None:
        """The advertisement as it counts; why it is not to be believed; or None if it says what
        another one has said. ``sources``: our own."""
        if drop := self._ours.doubts(ad, sources):
            return drop
        if self._ours.passwords.is_copy(ad, now):
            return None
        return self._both_families.take(ad) if self._both_families else ad
