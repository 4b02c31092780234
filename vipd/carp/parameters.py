"""What one host brings into the election of one group."""

from dataclasses import dataclass, field

from vipd.carp import host as hosts
from vipd.carp import timing
from vipd.carp.effects import SendAdvertisement
from vipd.carp.health import Health
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement
from vipd.carp.rank import BOW_OUT, SICK_ADVBASE, SICK_DEMOTION, Rank, bows_out, is_sick, rank

#: Highest advskew that DEMOTE_BY reaches: 255 is left to the bow-out.
ADVSKEW_MAX = 254
#: A sick host waits for the next advertisement of another demoted one for so long at least,
#: seconds: intervals in one group hardly differ by more.
SLOWEST_DEMOTED = 4.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the files say about one group, as far as the election is concerned, and the health of
    the host.

    advbase 0..255 s; advskew 0..255 in 1/256 s; deadratio 1 or more. ``preempt_delay`` (s): for so
    long after the link came up, or after sickness, a healthy living master is left alone.
    ``listen_first`` (s): for so long after the link came up silence does not count.
    ``demote_by``: what sickness adds to advskew (1..240), 0: it hands the addresses over.
    ``source``: the address that advertisements come from; ``also``: the one in the other family, if
    the group has both. ``host``: the tie-break (`vipd.carp.host`), b"": by ``source``.

    The rest follows. ``sources``: where our advertisements come from, one address for each family.
    ``hands_over``: sick, and not by ``demote_by``. ``demotion``: byte 4 of our
    advertisements. ``advertised``: advbase and advskew in them, ``words``: all three,
    ``advertisement``: the effect that sends one. ``relieves``: whether sick and demoted masters
    are taken over from, ``preempts``: whether slower ones are. In seconds: ``interval`` from one
    advertisement to the next; ``master_down``, the silence after which this host takes over;
    ``stagger``, its wait when a master asks for a successor (`vipd.carp.timing`). ``rank`` is what
    others make of all that.
    """

    source: Address
    advbase: int = 1
    advskew: int = 0
    deadratio: int = 3
    preempt: bool = False
    preempt_delay: float = 0.0
    listen_first: float = 0.0
    demote_by: int = 0
    health: Health = Health.WELL
    also: tuple[Address, ...] = ()
    host: bytes = b""
    sources: tuple[Address, ...] = field(init=False)
    hands_over: bool = field(init=False)
    demotion: int = field(init=False)
    advertised: tuple[int, int] = field(init=False)
    words: tuple[int, int, int] = field(init=False)
    advertisement: SendAdvertisement = field(init=False)
    relieves: bool = field(init=False)
    preempts: bool = field(init=False)
    interval: float = field(init=False)
    master_down: float = field(init=False)
    stagger: float = field(init=False)
    rank: Rank = field(init=False)

    def __post_init__(self) -> None:
        sick = self.health is Health.SICK
        hands_over = sick and not self.demote_by
        advskew = self.advskew
        if sick:
            advskew = max(advskew, min(advskew + self.demote_by, ADVSKEW_MAX))
        every = timing.interval(self.advbase, advskew)
        patience = timing.master_down(self.advbase, advskew, self.deadratio)
        stagger = timing.stagger(self.advbase, advskew)
        advertised, demotion = (self.advbase, advskew), 0
        if hands_over:
            patience += self.advbase or every
            stagger += timing.SICK_LATER
            advertised, demotion = (SICK_ADVBASE, advskew), SICK_DEMOTION
        own = self.host or hosts.by_address(self.source)
        relieves = self.health is not Health.UNKNOWN and not hands_over
        object.__setattr__(self, "host", own)
        object.__setattr__(self, "sources", (self.source, *self.also))
        object.__setattr__(self, "hands_over", hands_over)
        object.__setattr__(self, "demotion", demotion)
        object.__setattr__(self, "advertised", advertised)
        object.__setattr__(self, "words", (*advertised, demotion))
        object.__setattr__(self, "advertisement", SendAdvertisement(*advertised))
        object.__setattr__(self, "relieves", relieves)
        object.__setattr__(self, "preempts", self.preempt and relieves)
        object.__setattr__(self, "interval", every)
        object.__setattr__(self, "master_down", patience)
        object.__setattr__(self, "stagger", stagger)
        object.__setattr__(self, "rank", rank(own, *advertised, demotion))

    def gives_up(self, ad: Advertisement) -> bool:
        """Whether its sender leaves, or advertises so seldom that it is bound to time out here. A
        sick host only says so. One that is demoted less than we are is worth waiting for; and so is
        one that is demoted as we are, but not sick (an OpenBSD): to that we are the slower one,
        and it does not yield to us."""
        if bows_out(ad) and self.advertised != BOW_OUT:
            return True  # however long we would wait, and even if we are slower
        if is_sick(ad) or ad.demotion < self.demotion:
            return False
        patience = self.master_down
        if self.hands_over and ad.demotion == self.demotion:
            patience = max(patience, SLOWEST_DEMOTED)
        return timing.interval(ad.advbase, ad.advskew) > patience

    def interval_of(self, ad: Advertisement) -> float:
        """Seconds from one advertisement of its sender to the next. That of a sick host is not in
        its advertisements: it is taken to be ours, as in a group it mostly is."""
        return self.interval if is_sick(ad) else timing.interval(ad.advbase, ad.advskew)
