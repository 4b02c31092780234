"""A model of one ucarp process, read from ucarp 1.5.2's ``carp.c`` (`docarp`, `packethandler`,
`carp_master_down`, `carp_setrun`), with what users suffer from:

- its counters are random until it has heard a peer;
- it waits for its scripts, and neither hears nor says anything meanwhile;
- libpcap hands it packets up to 1 s late;
- as a backup it looks at its clock once an interval only, so it takes over up to one interval late;
- it finds out that its interface is down when it wakes up, and then sleeps 10 s at a time;
- frozen or killed it leaves the address where it is, for ever.
"""

from collections import deque
from math import inf
from random import Random
from typing import TYPE_CHECKING

from sim.host import Host
from sim.scenario import Setting
from sim.seat import Seat
from vipd.carp.host import by_address
from vipd.carp.packet import Advertisement
from vipd.carp.states import State
from vipd.carp.timing import interval

if TYPE_CHECKING:
    from sim.world import World

#: ``CAPTURE_TIMEOUT``: how late it may hear, seconds.
CAPTURE = 1.0
#: ``SECONDS_TO_WAIT_AFTER_INTERFACE_IS_DOWN``.
LINK_SLEEP = 10.0
#: ``sleep(3)`` after SIGUSR2, seconds.
STEP_DOWN_SLEEP = 3.0


class Ucarp(Seat):
    """Everything is done by `_wake`, which is what one turn of ucarp's loop is."""

    def __init__(self, world: "World", host: Host, group: int) -> None:
        super().__init__(world, host, group)
        self._phase = world.random.random() * CAPTURE
        self._ring: deque[tuple[float, Advertisement]] = deque()
        self._master_down = self._advertise_at = inf
        self._busy_until = -inf  # a script runs, or it sleeps
        self._then: list[str] = []  # what is to be done after that
        self._asleep = False  # because the interface was down
        self._life = 0
        self._queued = inf
        self._dead = True
        self._draw = Random(f"{world.scenario.seed} {host} {group}")
        self._counter: int | None = None  # of the last peer that was heard

    # What the world does to it

    def start(self) -> None:
        self._life += 1
        self._dead = False
        self._ring.clear()
        self._then.clear()
        self._busy_until = -inf
        self._advertise_at = self._queued = inf
        self._asleep = False
        self._counter = None
        self.enter(State.BACKUP, "started")
        self._script(self.host.plan.downscript, "released", "rearm")

    def kill(self) -> None:
        self._dead = True
        self._life += 1
        self._ring.clear()
        self.state = State.INIT

    def stop(self) -> None:
        """--shutdown: DOWNSCRIPT, and not a word on the wire."""
        if self.state is State.MASTER:
            self._script(self.host.plan.downscript, "released", "gone")
        else:
            self._end()

    @property
    def ended(self) -> bool:
        return self._dead

    def step_down(self, _hold: float) -> None:
        """SIGUSR2: its hold has one length only."""
        if self.state is State.MASTER and not self._then:
            self.enter(State.BACKUP, "SIGUSR2")
            self._advertise_at = inf
            self._script(self.host.plan.downscript, "released", "sleep", "rearm")

    def resume(self) -> None:
        """There is no way to tell it."""

    def change(self, setting: Setting) -> None:
        """Its settings are options: it is started again."""
        self.setting = setting
        was_owner = self.owner
        self.kill()
        if was_owner:
            self.own(False)
        self.start()

    def link_changed(self) -> None:
        self._wake_at(self._now)

    def hear(self, ad: Advertisement) -> None:
        """libpcap hands over what came within a second together."""
        now = self._now
        retired = now + CAPTURE - (now - self._phase) % CAPTURE
        self._ring.append((retired, ad))
        self._wake_at(retired)

    def flushed(self) -> None:
        self.own(False)

    def clock_moved(self) -> None:
        pass

    def catch_up(self) -> None:
        self._queued = inf
        self._wake_at(self._now)

    @property
    def able(self) -> bool:
        return not (self.host.mute or self._asleep or self._then)

    @property
    def leaving(self) -> bool:
        return False

    # One turn of the loop

    @property
    def _now(self) -> float:
        return self.host.clock()

    def _wake_at(self, clock: float) -> None:
        if clock < self._queued:
            self._queued = clock
            self.world.agenda.at(self.host.runs_at(clock), self._wake, clock, self._life)

    def _wake(self, queued: float, life: int) -> None:
        if life != self._life or queued != self._queued or not self.host.acts or self._dead:
            return
        self._queued = inf
        now = self._now
        if now >= self._busy_until and not self._do_then(now):
            self._turn(now)
        if not self._dead:
            self._wake_at(max(now + 1e-4, self._busy_until) if self._then else self._next(now))

    def _do_then(self, now: float) -> bool:
        """What had to wait for a script or for the end of a sleep. Whether it waits again."""
        while self._then:
            match self._then.pop(0):
                case "acquired":
                    self.own(True)
                case "advertise":
                    self._advertise(now)
                case "released":
                    self.own(False)
                case "rearm":
                    self._rearm(now)
                case "sleep":
                    self._busy_until = now + STEP_DOWN_SLEEP
                    return True
                case "nap":
                    self._asleep = True
                    self._busy_until = now + LINK_SLEEP
                    return True
                case "gone":
                    self._end()
                    return True
        return False

    def _turn(self, now: float) -> None:
        if not self.host.linked:
            self._advertise_at = self._master_down = inf
            if self.state is State.MASTER:
                self.enter(State.BACKUP, "no carrier")
                self._script(self.host.plan.downscript, "released", "nap")
            else:
                self._script(0, "nap")
            return
        if self._asleep:
            self._asleep = False
            self._rearm(now)
        while self._ring and self._ring[0][0] <= now and not self._then:
            self._handle(self._ring.popleft()[1], now)
        if not self._then and self._master_down <= now:
            self._take_over("nothing heard from a master")
        if not self._then and self._advertise_at <= now:
            self._advertise(now)

    def _next(self, now: float) -> float:
        heard = self._ring[0][0] if self._ring else inf
        clock = min(self._advertise_at, self._master_down, heard)
        if self._asleep or now < self._busy_until:
            clock = self._busy_until
        return max(clock, now + 1e-4)

    def counter(self) -> int:
        if self._counter is None:
            return self._draw.getrandbits(64)
        self._counter = (self._counter + 1) % 2**64
        return self._counter

    def _handle(self, ad: Advertisement, now: float) -> None:
        self._counter = ad.counter
        ours, theirs = self.setting.interval, interval(ad.advbase, ad.advskew)
        if self.state is State.MASTER:
            if (theirs, by_address(ad.source)) < (ours, by_address(self.host.source)):
                self._advertise(now)  # "to be really sure the new master knows"
                self._advertise_at = inf
                self.enter(State.BACKUP, "preferred master advertised")
                self._script(self.host.plan.downscript, "released", "rearm")
        elif self.setting.preempt and theirs > ours:
            self._take_over("preemption")
        elif theirs > self.setting.master_down:
            self._take_over("going to time out")
        else:
            self._rearm(now)

    def _rearm(self, now: float) -> None:
        """It looks at the clock once an interval, or when a packet comes."""
        late = self.world.random.random() * self.setting.interval
        self._master_down = now + self.setting.master_down + late
        self.world.watch.look(self.group)

    def _take_over(self, why: str) -> None:
        self._master_down = inf
        self.enter(State.MASTER, why)
        self._script(self.host.plan.upscript, "acquired", "advertise")

    def _advertise(self, now: float) -> None:
        self.world.network.send(self, self.setting.advbase, self.setting.advskew)
        self._advertise_at = now + self.setting.interval

    def _script(self, seconds: float, *then: str) -> None:
        """Wait for a script."""
        self._then += then
        self._busy_until = max(self._busy_until, self._now) + seconds
        self._wake_at(self._busy_until)

    def _end(self) -> None:
        self._dead = True
        self._life += 1
        self.enter(State.INIT, "ended")
        self.world.faults.ended(self.host)
