"""Which of the advertisements for a VIP count: the authentic ones, each once, by their sender."""

from vipd.carp.authenticity import Authenticity, Mode
from vipd.carp.host import LABEL_BYTES, by_address, in_both
from vipd.carp.packet import Advertisement, Drop
from vipd.carp.parameters import Parameters
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.both_families import BothFamilies
from vipd.daemon.vips.heard_before import HeardBefore


class Hearing:
    """``ours``: what signs our own advertisements, and so knows what may sign others'. ``before``:
    what was heard in earlier lives of the VIP."""

    def __init__(
        self,
        config: VipConfig,
        ours: Advertiser,
        complaints: RateLimitedProblems,
        before: HeardBefore | None,
    ) -> None:
        both, unicast = len(config.families) > 1, config.peers is not None
        self._ours = ours
        self._both_families = BothFamilies(complaints, unicast) if both else None
        self._before = before
        self.authenticity = (
            before.memory(config.interface, config.vhid) if before else Authenticity()
        )
        self.change(config)

    def change(self, config: VipConfig) -> None:
        """Go on with another configuration."""
        self.authenticity.mode = Mode(config.authenticate)

    def take(
        self, ad: Advertisement, own: Parameters, now: float, came: float
    ) -> Advertisement | Drop | None:
        """The advertisement as it counts; why it is not to be believed; or None if it says what
        another one has said. ``own``: our own parameters; ``came``: see `Authenticity.judge`."""
        ours, both = self._ours, self._both_families
        if drop := ours.doubts(ad, own.sources):
            return drop
        if both:
            host = in_both(ad.source) if ad.source.version == 4 else ad.host
        else:  # nobody sends a flow label; a router on the way may set one
            host = ad.host if len(ad.host) != LABEL_BYTES else by_address(ad.source)
        passwords, judge = ours.passwords, self.authenticity.judge
        new = judge(ad, host, passwords.tags, now, own.master_down, came)
        if isinstance(new, Drop):
            return new
        if (sequence := self.authenticity.sequence) is not None:
            ours.heard(sequence)
            if self._before:
                self._before.changed()
        if passwords.is_copy(ad, now, tagged=sequence is not None):
            return None
        if both:
            ad = both.take(ad)
        return ad if new else None
