"""A model of CARP in FreeBSD's kernel, read from ``ip_carp.c`` (`carp_input_c`,
`carp_master_down_locked`, `carp_send_ad_locked`), as far as it differs from OpenBSD's:

- byte 4 is nothing to it, and 0 in what it sends;
- it never bows out;
- its counters are random until it has heard a peer.

Its own demotion, which is added to advskew, is left out.
"""

from sim.openbsd import OpenBSD
from sim.seat import Seat
from vipd.carp.packet import Advertisement


class FreeBSD(OpenBSD):
    _counter: int | None = None  # of the last peer that was heard

    def start(self) -> None:
        self._counter = None
        super().start()

    def stop(self) -> None:
        self.own(False)
        self._end()

    def hear(self, ad: Advertisement) -> None:
        self._counter = ad.counter
        super().hear(ad._replace(demotion=0))

    @property
    def demotion(self) -> int:
        return 0

    def takes_from(self, owner: Seat) -> bool:
        return Seat.takes_from(self, owner)

    def counter(self) -> int:
        if self._counter is None:
            return self._draw.getrandbits(64)
        self._counter = (self._counter + 1) % 2**64
        return self._counter
