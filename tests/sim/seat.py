"""One group on one host, whatever program runs there, and the address as its kernel has it."""

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING

from sim.host import Host
from sim.scenario import Setting
from vipd.carp.health import Health
from vipd.carp.host import by_address
from vipd.carp.packet import Advertisement
from vipd.carp.states import State

if TYPE_CHECKING:
    from sim.world import World


class Seat(ABC):
    """``owner``: the address is on the interface, or not, ``since`` this time. ``state``: what the
    program says it is. ``due``: when it wants to do something by itself, on its host's clock."""

    def __init__(self, world: "World", host: Host, group: int) -> None:
        self.world = world
        self.host = host
        self.group = group
        self.setting: Setting = host.plan.settings[group]
        self.owner = False
        self.since = 0.0
        self.state = State.INIT
        self.due = inf
        #: The intervals that it advertised with: the last, and a different one before that.
        self.spoke = 0.0, 0.0

    # What the world does to it

    @abstractmethod
    def start(self) -> None:
        """A new process."""

    @abstractmethod
    def kill(self) -> None:
        """No process any more; the address stays where it is."""

    @abstractmethod
    def stop(self) -> None:
        """SIGTERM; `ended` tells when it is done."""

    @property
    @abstractmethod
    def ended(self) -> bool: ...

    @abstractmethod
    def step_down(self, hold: float) -> None:
        """Hand over, and do not take it back for so long."""

    @abstractmethod
    def resume(self) -> None:
        """Never mind the rest of the hold."""

    @abstractmethod
    def change(self, setting: Setting) -> None:
        """Other settings; ucarp has to be started again for that."""

    @abstractmethod
    def link_changed(self) -> None:
        """The host's cable is plugged or not."""

    @abstractmethod
    def hear(self, ad: Advertisement) -> None:
        """A packet for this group, and the process runs."""

    @abstractmethod
    def flushed(self) -> None:
        """Somebody has taken the address away."""

    @abstractmethod
    def clock_moved(self) -> None:
        """The machine went on after it had stood still."""

    @abstractmethod
    def catch_up(self) -> None:
        """The process goes on after it was stopped: do what is due."""

    def demoted(self) -> None:  # noqa: B027  (OpenBSD only)
        """`Host.demotion` is another one."""

    def guarded_anew(self) -> None:  # noqa: B027  (vipd only)
        """There is another guard."""

    def ails(self, cause: Health, more: int) -> None:  # noqa: B027  (vipd only)
        """Another check has failed, or has no verdict; -1: one less."""

    # What others may want to know

    @property
    def demotion(self) -> int:
        """What byte 4 of its advertisements has to be."""
        return 0

    @property
    def byte_4(self) -> int:
        """What it is."""
        return self.demotion

    @property
    def sick(self) -> bool:
        """Whether it asks for another owner because of its health."""
        return False

    @property
    def interval(self) -> float:
        """Time from one advertisement to the next."""
        return self.setting.interval

    @property
    def announced(self) -> float:
        """The same, as its advertisements have it."""
        return self.interval

    @property
    def master_down(self) -> float:
        return self.setting.master_down

    @property
    def rank(self) -> tuple[int, float, bytes]:
        """Of two masters the lower one stays."""
        return self.demotion, self.announced, by_address(self.host.source)

    def takes_from(self, owner: "Seat") -> bool:
        """Whether it takes the address from an owner that lives and can wait."""
        return self.setting.preempt and self.announced < owner.announced

    def gives_up(self, owner: "Seat") -> bool:
        """Whether that owner advertises too seldom for it."""
        return owner.announced > self.master_down

    @abstractmethod
    def counter(self) -> int:
        """The counter of its next advertisement."""

    @property
    @abstractmethod
    def able(self) -> bool:
        """Whether it would take over if nobody else were there."""

    @property
    @abstractmethod
    def leaving(self) -> bool:
        """Whether it still has the address, but has asked for a successor."""

    # What it does

    def own(self, owner: bool) -> None:
        if owner is not self.owner:
            self.owner = owner
            self.since = self.world.agenda.now
            if self.world.story is not None:
                self.world.tell(self, "has the address" if owner else "no longer has the address")
            self.world.watch.look(self.group)

    def enter(self, state: State, why: str) -> None:
        self.state = state
        if self.world.story is not None:
            self.world.tell(self, f"{state.value}: {why}")
        self.world.watch.transition(self)
        self.world.watch.look(self.group)

    def __str__(self) -> str:
        return f"{self.host} group {self.group}"
