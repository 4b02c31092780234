"""The strips of `vipctl watch`: which host owned each virtual IP in the last minutes.

Pure: events and states go in with their times, characters come out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from string import ascii_lowercase

from vipd.api.events import Event
from vipd.api.io_vipd import VipStatus
from vipd.carp.states import State
from vipd.cli.attention import master_of
from vipd.cli.text import Cell, Colour, paint, safe

CELL = 5
"""Seconds that one character stands for."""
LONGEST = 720
"""Characters that are kept: an hour."""
HERE, NOBODY, APART, UNKNOWN = "this host", "nobody", "takes no part", ""


@dataclass(slots=True)
class Strip:
    """One virtual IP. Cells are counted from the epoch; `owners` and `missed` have those that are
    known."""

    owners: dict[int, str] = field(default_factory=dict)
    missed: set[int] = field(default_factory=set)
    lost: int | None = None  # advertisements missed until now, as the daemon counts them
    newest: int = -1  # the cell of the last record

    def learn(self, transitions: Sequence[tuple[float, str]], now: float) -> None:
        """Fill in the time before `watch` started: (Unix time, owner from then on), in order."""
        oldest = int(now // CELL) - LONGEST
        for (at, owner), (until, _) in zip(transitions, [*transitions[1:], (now, "")], strict=True):
            for cell in range(max(int(at // CELL), oldest), int(until // CELL)):
                self.owners.setdefault(cell, owner)

    def record(self, vip: VipStatus, now: float) -> None:
        """Record the present state."""
        cell = int(now // CELL)
        self.owners[cell], self.newest = _owner(vip), cell
        overdue = vip.heard is not None and vip.heard.missing > 0 and vip.state is State.BACKUP
        if overdue or (self.lost is not None and vip.missed > self.lost):
            self.missed.add(cell)
        self.lost = vip.missed
        for old in [each for each in self.owners if each < cell - LONGEST]:
            del self.owners[old]
            self.missed.discard(old)

    def owner(self, cell: int) -> str:
        """The owner in that cell."""
        return self.owners.get(cell, UNKNOWN)


def _owner(vip: VipStatus) -> str:
    """The owner now, as far as this host knows it."""
    if vip.state is State.INIT:
        return APART
    return HERE if vip.state is State.MASTER else master_of(vip) or NOBODY


class Hosts:
    """A letter for each other host, in the order in which they are met."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def character(self, owner: str) -> str:
        """What stands for an owner in a strip."""
        if owner in _OWN:
            return _OWN[owner]
        number = len(self._letters)
        return self._letters.setdefault(owner, ascii_lowercase[min(number, 25)])

    def legend(self, colours: bool) -> str:
        """What the characters mean."""
        others = [f"{paint(c, Colour.IDLE, colours)} {safe(o)}" for o, c in self._letters.items()]
        own = f"{paint(_OWN[HERE], Colour.GOOD, colours)} {HERE}"
        missed = f"{paint(_MISSED, Colour.WARNING, colours)} advertisements missed"
        rest = [f"{_OWN[each]} {each}" for each in (NOBODY, APART)]
        return "   ".join([own, *others, *rest, missed])


_OWN = {HERE: "█", NOBODY: "·", APART: "?", UNKNOWN: " "}
_MISSED = "×"


def drawn(strip: Strip, hosts: Hosts, now: float, width: int, colours: bool) -> str:
    """The last `width` cells, the present one at the right. When that has just begun and nothing is
    recorded in it, it shows the owner before."""
    last = int(now // CELL)
    present = strip.newest if strip.newest == last - 1 else last
    numbers = [*range(last - width + 1, last), present]
    cells = [_cell(strip, hosts, each) for each in numbers]
    runs = groupby(cells, key=lambda cell: cell.colour)
    return "".join(
        paint("".join(cell.text for cell in run), colour, colours) for colour, run in runs
    )


def _cell(strip: Strip, hosts: Hosts, number: int) -> Cell:
    owner = strip.owner(number)
    if number in strip.missed:
        return Cell(_MISSED, Colour.WARNING)
    if owner in _OWN:
        return Cell(_OWN[owner], Colour.GOOD if owner == HERE else Colour.PLAIN)
    return Cell(hosts.character(owner), Colour.IDLE)


def owners(events: Iterable[Event]) -> dict[str, list[tuple[float, str]]]:
    """ID → its transitions as `Strip.learn` takes them. The host that took over from us is known
    if we yielded to a better master."""
    found: dict[str, list[tuple[float, str]]] = {}
    for event in events:
        change = event.transition
        if change is None:
            continue
        owner = {State.MASTER: HERE, State.INIT: APART}.get(change.new, UNKNOWN)
        if change.new is State.BACKUP and change.old is State.MASTER and change.peer:
            owner = change.peer
        found.setdefault(event.id, []).append((event.at, owner))
    return found
