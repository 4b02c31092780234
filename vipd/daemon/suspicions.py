"""What a VIP notices about the other hosts of its group, and tells people."""

import asyncio
from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Address

from vipd.carp.machine import Machine, State, Transition
from vipd.carp.packet import Advertisement
from vipd.carp.rank import bows_out
from vipd.daemon.complaints import Complaints
from vipd.linux.neighbours import mac_text

#: How long after its announcement a host must not have advertised to be no successor, seconds.
_CLAIM = 1.0
#: Becoming master this often, each time in little more than a master-down time, is an election
#: that does not settle.
_OSCILLATION = 5
#: Advertisements of another that a master hears in a row before it speaks of two masters; one is
#: what every hand-over ends with.
_SECOND_MASTER = 3


class Suspicions:
    """Two masters, an election that does not settle, a stranger who has our address."""

    def __init__(
        self, machine: Machine, interface: str, complaints: Complaints, clock: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._interface = interface
        self._complaints = complaints
        self._clock = clock
        self._since = clock()  # the last transition
        self._ascents: deque[float] = deque(maxlen=_OSCILLATION)
        self._others = 0  # advertisements of another, in a row, while we are master
        self._claim: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._claim:
            self._claim.cancel()

    def changed(self, transition: Transition) -> None:
        """Our own state is another now."""
        self._since = self._clock()
        self._others = 0
        if transition.new is State.MASTER:
            self._ascents.append(self._since)
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
        self._others += 1
        if self._others >= _SECOND_MASTER:
            self._complaints.say(
                "second master",
                lambda: (
                    f"two masters: {ad.source} (advbase {ad.advbase}, advskew {ad.advskew}"
                    f"{_demotion(ad)}) goes on advertising although we do; it does not hear us. "
                    "Look at the network and the packet filters between the hosts"
                ),
            )

    def claimed(self, address: IPv4Address, mac: bytes) -> None:
        """Another host speaks ARP for an address of ours. A successor announces itself so, just
        before it advertises: look again when it has had the time to."""
        if self._claim is None and self._owns_alone():
            loop = asyncio.get_running_loop()
            self._claim = loop.call_later(_CLAIM, self._still_claimed, address, mac, self._since)

    def _still_claimed(self, address: IPv4Address, mac: bytes, since: float) -> None:
        self._claim = None
        if self._owns_alone() and self._since == since:
            self._complaints.say(
                "claimed",
                lambda: (
                    f"{mac_text(mac)} on {self._interface} answers for {address}, which is "
                    "ours: find that host, and take the address off it"
                ),
            )

    def _owns_alone(self) -> bool:
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
