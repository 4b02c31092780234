"""What one host brings into the election of one group."""

from dataclasses import dataclass, field

from vipd.carp import host as hosts
from vipd.carp import timing
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement
from vipd.carp.rank import BOW_OUT, Rank, bows_out, rank


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the files say about one group, as far as the election is concerned.

    advbase 0..255 s; advskew 0..255 in 1/256 s; deadratio 1 or more; demotion 0..255 is byte 4 of
    our advertisements. ``source``: the address that they come from; ``also``: the one in the other
    family, if the group has both. ``host``: the tie-break (`vipd.carp.host`), b"": by ``source``.
    ``interval`` and ``master_down`` (s) follow from them, see `vipd.carp.timing`; so does ``rank``.
    """

    source: Address
    advbase: int = 1
    advskew: int = 0
    deadratio: int = 3
    preempt: bool = False
    demotion: int = 0
    also: tuple[Address, ...] = ()
    host: bytes = b""
    interval: float = field(init=False)
    master_down: float = field(init=False)
    rank: Rank = field(init=False)

    def __post_init__(self) -> None:
        every = timing.interval(self.advbase, self.advskew)
        patience = timing.master_down(self.advbase, self.advskew, self.deadratio)
        own = self.host or hosts.by_address(self.source)
        ranked = rank(own, self.advbase, self.advskew, self.demotion)
        object.__setattr__(self, "host", own)
        object.__setattr__(self, "interval", every)
        object.__setattr__(self, "master_down", patience)
        object.__setattr__(self, "rank", ranked)

    @property
    def sources(self) -> tuple[Address, ...]:
        """Where our advertisements come from: one address for each family."""
        return self.source, *self.also

    def gives_up(self, ad: Advertisement) -> bool:
        """Whether its sender leaves, or advertises so seldom that it is bound to time out here."""
        if bows_out(ad) and (self.advbase, self.advskew) != BOW_OUT:
            return True  # however long we would wait, and even if we are slower
        return timing.interval(ad.advbase, ad.advskew) > self.master_down
