"""What a VIP notices about the other hosts of its group, and tells people."""

import asyncio
from collections.abc import Callable

from vipd.carp import timing
from vipd.carp.effects import Transition
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement
from vipd.carp.rank import bows_out
from vipd.carp.states import State
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.neighbourhood import Neighbourhood
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.linux.addresses import AnyAddress
from vipd.linux.neighbours import mac_text

#: How long after its announcement a host must not have advertised to be no successor, seconds.
_CLAIM = 1.0
#: How long after a claim was looked into the next one is, seconds.
_CLAIM_EVERY = 60.0
#: How often a master announces its addresses again because another host claims one, seconds: two
#: owners that do so must not fill the network.
_REASSERT_EVERY = 10.0
#: Becoming master this often, each time in little more than a master-down time, is an election
#: that does not settle.
_OSCILLATION = 5
#: Advertisements of another that a master hears in a row before it speaks of two masters; one is
#: what every hand-over ends with.
_SECOND_MASTER = 3


class ConflictDetector:
    """Two masters, an election that does not settle, a stranger who has our address."""

    def __init__(
        self,
        machine: Machine,
        config: VipConfig,
        neighbourhood: Neighbourhood,
        complaints: RateLimitedProblems,
        clock: Callable[[], float],
        announce: Callable[[], None],
    ) -> None:
        """``announce``: announces all addresses."""
        self._machine = machine
        self._config = config
        self._neighbourhood = neighbourhood
        self._complaints = complaints
        self._clock = clock
        self._announce = announce
        self._since = clock()  # the last transition
        self._ascents: list[float] = []  # when we became master, the last few times
        self._others = 0  # advertisements of another, in a row, while we are master
        self._other_at = 0.0  # when the last one of these was heard
        self._claim: asyncio.TimerHandle | None = None
        self._claimed_address: AnyAddress | None = None  # that is asked for once more,
        self._claimed_by = b""  # and the MAC that answered
        self._no_claim_before = 0.0
        self._reassertion: asyncio.TimerHandle | None = None
        self._no_reassertion_before = 0.0

    def close(self) -> None:
        for timer in (self._claim, self._reassertion):
            if timer:
                timer.cancel()

    def changed(self, transition: Transition) -> None:
        """Our own state is another now."""
        self._since = self._other_at = self._clock()
        self._others = 0
        self._complaints.forget("second master")
        if transition.new is State.MASTER:
            self._ascents = [*self._ascents, self._since][-_OSCILLATION:]
            if len(self._ascents) == _OSCILLATION:
                took = self._since - self._ascents[0]
                if took < 1.5 * _OSCILLATION * self._machine.parameters.master_down:
                    self._complaints.say("oscillation", lambda: self._oscillation(took))

    def _oscillation(self, took: float) -> str:
        ours, heard = self._machine.parameters, self._machine.heard
        other = (
            f" {heard.ad.source} has advbase {heard.ad.advbase} and advskew {heard.ad.advskew}"
            f"{_demotion(heard.ad)}, we have {ours.advbase} and {ours.advskew}, "
            f"deadratio {ours.deadratio}."
            if heard
            else ""
        )
        return (
            f"became master {_OSCILLATION} times in {took:.1f} s, the election does not settle."
            f"{other} Use the same --advbase on all hosts and a --deadratio of 3, and look for "
            "lost packets"
        )

    def heard(self, ad: Advertisement) -> None:
        """Somebody who goes on advertising to a master does not hear it."""
        if self._machine.state is not State.MASTER or bows_out(ad):
            self._others = 0
            return
        # Several at once have waited in the socket: they were sent before it could hear us.
        now = self._clock()
        if now - self._other_at < timing.interval(ad.advbase, ad.advskew) / 2:
            return
        self._others, self._other_at = self._others + 1, now
        if self._others >= _SECOND_MASTER:
            self._complaints.say(
                "second master",
                lambda: (
                    f"two masters: {ad.source} (advbase {ad.advbase}, advskew {ad.advskew}"
                    f"{_demotion(ad)}) goes on advertising although we do; it does not hear us. "
                    "Look at the network and the packet filters between the hosts"
                ),
            )

    def claimed(self, address: AnyAddress, mac: bytes) -> None:
        """Another host speaks ARP for an address of ours. A successor announces itself so, just
        before it advertises; and anybody can forge one packet. So we ask for the address when a
        successor would have advertised, and believe what is answered then."""
        self._reassert_later()
        if address == self._claimed_address:
            self._claimed_by = mac
        elif self._claim is None and self._clock() >= self._no_claim_before and self.owns_alone:
            self._later(_CLAIM, self._ask, address, self._since)

    def _reassert_later(self) -> None:
        """A backup that was deaf for a moment may have taken over, announced and yielded, and we
        may have heard nothing of it but this. Clients would send to it until their caches end."""
        now = self._clock()
        if now >= self._no_reassertion_before and self.owns_alone:
            self._no_reassertion_before = now + _REASSERT_EVERY
            loop = asyncio.get_running_loop()
            self._reassertion = loop.call_later(_CLAIM, self._reassert, self._since)

    def _reassert(self, since: float) -> None:
        if self.owns_alone and self._since == since:
            self._announce()

    def _later(self, seconds: float, act: Callable[..., None], *about: object) -> None:
        self._claim = asyncio.get_running_loop().call_later(seconds, act, *about)

    def _ask(self, address: AnyAddress, since: float) -> None:
        self._claim = None
        self._no_claim_before = self._clock() + _CLAIM_EVERY
        if self.owns_alone and self._since == since:
            self._claimed_address, self._claimed_by = address, b""
            self._neighbourhood.survey()
            self._neighbourhood.probe(address)
            self._later(self._neighbourhood.SURVEY + _CLAIM, self._answered, address, since)

    def _answered(self, address: AnyAddress, since: float) -> None:
        self._claim = self._claimed_address = None
        mac = self._claimed_by
        if mac and self.owns_alone and self._since == since:
            self._complaints.say("claimed", lambda: self._claim_words(address, mac), forgeable=True)

    def _claim_words(self, address: AnyAddress, mac: bytes) -> str:
        config = self._config
        what = f"{mac_text(mac)} on {config.interface} answers for {address}, which is ours"
        host = self._neighbourhood.advertiser(mac)
        if host is None:
            return f"{what}: find that host, and take the address off it"
        vhids = sorted(host.vhids)
        theirs = " and ".join(map(str, vhids[:3])) + (" …" if len(vhids) > 3 else "")
        return (
            f"{what}: it is host {host.address}, which advertises VHID {theirs} where we have "
            f"VHID {config.vhid}, so that both own the address. Write the same ID and PASSWORD on "
            "both hosts"
        )

    @property
    def owns(self) -> bool:
        """Whether we are master."""
        return self._machine.state is State.MASTER

    @property
    def owns_alone(self) -> bool:
        """Whether nobody else has any business with our addresses: we are master, not about to
        leave, and have been for as long as the last owner may take to let go."""
        patience = self._machine.parameters.master_down
        return (
            self._machine.state is State.MASTER
            and not self._machine.leaving
            and self._clock() > self._since + patience
        )


def _demotion(ad: Advertisement) -> str:
    """OpenBSD's demotion counts before the interval: whoever reads of that host has to know."""
    return f", demotion {ad.demotion}" if ad.demotion else ""
