"""TRACK_GATEWAY: a host that has to answer on BIND_INTERFACE, the next router most likely."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from vipd.config.health_fields import Gateway
from vipd.daemon.health.hold import Hold
from vipd.daemon.health.verdict import Changed, Verdict, not_before
from vipd.linux.addresses import AnyAddress, AnyInterface
from vipd.linux.probes import Probes

#: Seconds by which the end of a round may be late. A round that ends later says nothing: we were
#: stopped or starved, and the answer with us.
_LATE = 0.1
#: Reasons why a probe does not leave that are ours, and say nothing about the gateway.
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where probes are sent from: an interface by its kernel name, its MAC address (6 bytes), and
    the host's own addresses on it, the primary ones first, no floating ones."""

    interface: str
    mac: bytes
    own: Sequence[AnyInterface]


class TrackGateway:
    """Not well while a gateway does not answer. The probes come from an own address of this host,
    which is what its cache learns from them; once it has answered they go to its MAC address alone,
    and after one without an answer to all hosts again, for it may be another machine now."""

    def __init__(
        self,
        gateway: Gateway,
        place: Callable[[], Place | None],
        loop: asyncio.AbstractEventLoop,
        changed: Changed,
    ) -> None:
        """``place``: asked before each probe; None: the interface is not there, or down."""
        self.verdict = Verdict(None, loop.time())
        self._gateway = gateway.address
        self._place = place
        self._pace = gateway
        self._loop = loop
        self._changed = changed
        self._probes: Probes | None = None
        self._interface = ""  # what the probes were opened on
        #: The gateway's MAC address (6 bytes), if it has answered the last probe.
        self.mac: bytes | None = None
        self._answered = False
        self._trouble = ""  # why the last probe did not leave, or had no answer,
        self._void = False  # and whether that says nothing
        self._hold = Hold(gateway.hold, spares_first=True)
        self._row = 0  # probes one after the other with an outcome against the verdict
        self._timer: asyncio.TimerHandle | None = None

    def resume(self, before: "TrackGateway") -> None:
        self._hold.resume(before._hold)
        self._row, self._trouble = before._row, before._trouble
        if before.verdict.well is not None:
            self._become(before.verdict.well, before.verdict.since)

    def start(self) -> None:
        self._ask(self._loop.time())

    def close(self) -> None:
        self._forget()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _ask(self, due: float) -> None:
        """Begin a round."""
        self._answered, self._trouble, self._void = False, "", False
        try:
            self._send()
        except OSError as error:
            self._void = error.errno in _OURS
            self._trouble = f"{self._gateway} cannot be asked: {error.strerror}"
            self._forget()
        end = due + self._pace.interval
        self._timer = self._loop.call_at(end, self._end, end)

    def _send(self) -> None:
        """Raises OSError."""
        place = self._place()
        if place is None:
            self._trouble = f"{self._gateway} cannot be asked: the interface is not up"
            self._forget()
            return
        if any(each.ip == self._gateway for each in place.own):
            self._trouble = f"{self._gateway} is an address of this host, so nobody answers for it"
            return
        own = _sender(self._gateway, place.own)
        if own is None and self._gateway.version == 6:
            self._trouble = f"{place.interface} has no IPv6 address to ask {self._gateway} from"
            return
        if own is None:  # it is asked all the same
            no_answer = f"{self._gateway} does not answer"
            self._trouble = f"{no_answer}; {place.interface} has no address in its network"
        if self._probes is None or place.interface != self._interface:
            self._forget()
            self._probes = Probes(place.interface, self._gateway)
            self._interface = place.interface
            self._loop.add_reader(self._probes.fileno(), self._read)
        self._probes.ask(place.mac, own, self.mac)

    def _read(self) -> None:
        if self._probes is None:
            return
        try:
            mac = self._probes.answer()
        except OSError:  # the interface went down; the next probe says so
            self._forget()
            return
        if mac:
            self.mac = mac
            # The verdict waits for the end of the round, unless it is the first one.
            self._answered = True
            if self.verdict.well is None:
                self._count(answered=True)

    def _end(self, due: float) -> None:
        """A round is over."""
        now = self._loop.time()
        self._read()
        late = now - due > _LATE
        if self._answered or not (late or self._void):
            self._count(self._answered)
        if not self._answered:
            self.mac = None
        self._ask(now if late else due)

    def _count(self, answered: bool) -> None:
        well = self.verdict.well
        if answered is well:
            self._row = 0
            self._become(answered, self.verdict.since)
            return
        self._row += 1
        enough = self._pace.rise if answered else self._pace.fall
        if well is None and answered:
            enough = 1
        now = self._loop.time()
        if self._row < enough or (answered and now < self._hold.until):
            return
        self._row = 0
        if not answered:
            self._hold.failed(now)
        elif well is False:
            self._hold.recovered(now)
        self._become(answered, now)

    def _become(self, well: bool, since: float) -> None:
        said = ends = ""
        if not well:
            said = self._trouble or f"{self._gateway} does not answer"
            held = not_before(self._hold.until - self._loop.time())
            ends = f"after {self._pace.rise} answers, one every {self._pace.interval:g} s{held}"
        before, self.verdict = self.verdict, Verdict(well, since, said, ends)
        if self.verdict != before:
            self._changed()

    def _forget(self) -> None:
        """Give the socket back. It may be that of an interface that is gone."""
        self.mac = None
        if self._probes:
            self._loop.remove_reader(self._probes.fileno())
            self._probes.close()
            self._probes = None


def _sender(gateway: AnyAddress, own: Sequence[AnyInterface]) -> AnyAddress | None:
    """The address to ask from: one of the gateway's network; for IPv6 a link-local one, or any
    other. None: there is none, and an ARP probe from nobody is right."""
    if gateway.version == 6:
        ours = [each.ip for each in own if isinstance(each.ip, IPv6Address)]
        return next((each for each in ours if each.is_link_local), None) or next(iter(ours), None)
    return next((each.ip for each in own if gateway in each.network), None)
