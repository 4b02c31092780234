"""Everything of one scenario, set going: hosts, network, faults, and somebody who watches."""

from math import inf
from random import Random

from sim.agenda import Agenda, RestlessError
from sim.faults import Faults
from sim.freebsd import FreeBSD
from sim.host import Host
from sim.network import Network
from sim.openbsd import OpenBSD
from sim.scenario import Scenario
from sim.seat import Seat
from sim.ucarp import Ucarp
from sim.vipd import Vipd
from sim.watch import PromiseError, Watch

#: More than so many packets and timers, for each group on each host, is a host run wild.
BUSY = 50_000


class World:
    """``story``: what happened, line by line, if it is to be kept. ``agenda``: that of several
    worlds."""

    def __init__(
        self, scenario: Scenario, keep_story: bool = False, agenda: Agenda | None = None
    ) -> None:
        self.scenario = scenario
        self.story: list[str] | None = [] if keep_story else None
        self.random = Random(scenario.seed)
        seats = len(scenario.hosts) * len(scenario.hosts[0].settings)
        self.agenda = agenda or Agenda(at_most=BUSY * seats)
        self.hosts = [
            Host(number, plan, self.agenda, self.random)
            for number, plan in enumerate(scenario.hosts)
        ]
        self.network = Network(self)
        self.seats: list[list[Seat]] = [
            [self._seat(host, group) for host in self.hosts]
            for group in range(len(scenario.hosts[0].settings))
        ]
        for host in self.hosts:
            host.seats = [seats[host.number] for seats in self.seats]
        self.watch = Watch(self)
        self.faults = Faults(self)

    def _seat(self, host: Host, group: int) -> Seat:
        kinds: dict[str, type[Seat]] = {
            "vipd": Vipd,
            "ucarp": Ucarp,
            "openbsd": OpenBSD,
            "freebsd": FreeBSD,
        }
        return kinds[host.plan.kind](self, host, group)

    def run(self) -> None:
        """Play it, and after the last fault until all must have settled and would have flapped;
        raises `PromiseError` when something does not hold."""
        try:
            self.faults.plan()
            self.agenda.run(self.faults.over)
            while self.agenda.now < self.watch.settles_at < inf:
                self.agenda.run(self.watch.settles_at)
            slowest = max(seat.master_down for seats in self.seats for seat in seats)
            self.agenda.run(self.agenda.now + 3 * slowest)
        except RestlessError as restless:
            raise PromiseError(str(restless)) from restless
        self.watch.end()

    def tell(self, who: object, what: str) -> None:
        if self.story is not None:
            self.story.append(f"{self.agenda.now:10.4f}  {who}: {what}")
