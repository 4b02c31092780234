"""Who is to own what, whoever fails: the order of the hosts for each of many addresses.

With ``--preempt`` everywhere, the owner of an address is the first host of its order that lives.
So the load after a failure follows from the orders alone, and can be counted for every failure.

The rule: the first choices go to the host that lacks most, in turn; then, for each host, the second
choices of its addresses to whoever lacks most without it; then the thirds for each pair, and so on.
What is done for one set of failed hosts matters to no other set of the same size, so that after any
one failure the loads are always even. They are after two failures if the second choices are right:
a search exchanges those of equal merit, from several starts. Its dice are seeded with its input, so
that the same question has the same answer.

A load is *even* if it is the host's share, or that rounded up or down: where all weights are equal,
no two hosts differ by more than 1.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

STARTS = 8
MOVES = 1500
"""Of the search: for 8 hosts it finds everything that is possible with much less."""

_WORK = MOVES * 16 * 16
"""Moves × hosts²; more hosts make each move dearer, and get fewer."""

_WORSE = 0.02
"""Probability of a move that makes one address worse: out of a dead end."""

IMPOSSIBLE: Mapping[int, frozenset[int]] = {
    5: frozenset((3, 6, 9)),
    6: frozenset((4, 7, 8, 11, 12, 16)),
    7: frozenset((4, 5, *range(8, 12), *range(13, 17), 19, 20, 25, 50, 55)),
    8: frozenset((5, 6, *range(9, 14), *range(15, 20), *range(22, 26), 29, 30, 31, 36)),
}
"""Hosts → the numbers of addresses, up to `PROVED`, with which no orders are even after any two
failures."""

PROVED = 64

Order = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """`weights`: of each host, 1 or more. `kept`: of each address, the hosts in the order that
    they have now; empty for a new address, and without new hosts. `pins`: address → its first
    host. Hosts and addresses are numbers from 0."""

    weights: tuple[int, ...]
    kept: tuple[Order, ...]
    pins: Mapping[int, int] = field(default_factory=dict)

    @property
    def hosts(self) -> int:
        return len(self.weights)

    @property
    def addresses(self) -> int:
        return len(self.kept)

    def shares(self, dead: Collection[int] = ()) -> list[tuple[int, int]]:
        """Of each host, its share rounded down and up when these are dead: theirs is 0."""
        living = (weight for host, weight in enumerate(self.weights) if host not in dead)
        whole = sum(living) or 1
        found = []
        for host, weight in enumerate(self.weights):
            low, rest = divmod(0 if host in dead else self.addresses * weight, whole)
            found.append((low, low + (rest > 0)))
        return found


def orders(task: Task) -> list[Order]:
    """The order of the hosts for each address. What is kept stays where the loads allow it."""
    dice = random.Random(f"{task.weights} {task.kept} {sorted(task.pins.items())}")
    chosen: list[Order] = [() for _ in task.kept]
    for rank in range(task.hosts):
        groups: dict[frozenset[int], list[int]] = {}
        for address, prefix in enumerate(chosen):
            groups.setdefault(frozenset(prefix), []).append(address)
        wishes = [_next(kept, prefix) for kept, prefix in zip(task.kept, chosen, strict=True)]
        counts = {}
        if rank == 1:
            counts = _seconds(task, chosen, wishes, dice)
        for dead in sorted(groups, key=sorted):
            members = groups[dead]
            fixed = {each: task.pins[each] for each in members if rank == 0 and each in task.pins}
            free = [each for each in members if each not in fixed]
            loads = Counter(fixed.values())
            loads.update(owners([each for each in chosen if dead != frozenset(each)], dead))
            wanted = Counter(wishes[each] for each in free if wishes[each] is not None)
            count = counts.get(min(dead, default=0)) or _fill(
                task, dead, loads, len(free), wanted, dice
            )
            shuffle = dice if dead else None
            for each, host in {**fixed, **_hand_out(free, wishes, count, shuffle)}.items():
                chosen[each] = (*chosen[each], host)
    return chosen


def owners(chosen: Sequence[Order], dead: Collection[int]) -> list[int]:
    """The owner of each address when these hosts are dead."""
    return [next(host for host in order if host not in dead) for order in chosen]


def outcomes(
    chosen: Sequence[Order], hosts: int, failures: int
) -> Iterator[tuple[Order, list[int]]]:
    """Every set of so many dead hosts, and the load of each host then."""
    for dead in combinations(range(hosts), failures):
        loads = Counter(owners(chosen, dead))
        yield dead, [loads[host] for host in range(hosts)]


def off(task: Task, dead: Collection[int], loads: Sequence[int]) -> int:
    """By how many addresses the worst load differs from the host's share, rounded to its side: 0
    is even."""
    return max(
        max(low - load, load - high, 0)
        for (low, high), load in zip(task.shares(dead), loads, strict=True)
    )


def _next(kept: Order, prefix: Collection[int]) -> int | None:
    return next((host for host in kept if host not in prefix), None)


def _fill(
    task: Task,
    dead: Collection[int],
    loads: Mapping[int, int],
    number: int,
    wanted: Mapping[int | None, int],
    dice: random.Random,
) -> dict[int, int]:
    """Give so many addresses to the living, each to the host that lacks most; of equal ones, to
    one that has more of those that want to stay with it."""
    living = [host for host in range(task.hosts) if host not in dead]
    whole = sum(task.weights[host] for host in living)
    given = dict.fromkeys(living, 0)
    lack = {h: task.addresses * task.weights[h] - loads.get(h, 0) * whole for h in living}
    for _ in range(number):
        ranked = [(lack[h], min(wanted.get(h, 0) - given[h], 1), h) for h in living]
        best = max(ranked)[:2]
        equal = [h for *merit, h in ranked if tuple(merit) == best]
        host = dice.choice(equal) if dead else equal[0]
        given[host] += 1
        lack[host] -= whole
    return given


def _hand_out(
    addresses: Sequence[int],
    wishes: Sequence[int | None],
    count: Mapping[int, int],
    dice: random.Random | None,
) -> dict[int, int]:
    """A host for each address, as often as `count` says; its wish if that can be, the others by
    the dice, or without them in turn."""
    left = dict(count)
    given = {}
    for each in addresses:
        wish = wishes[each]
        if wish is not None and left.get(wish, 0):
            given[each] = wish
            left[wish] -= 1
    turns = range(max(left.values()))
    rest = [host for turn in turns for host, number in left.items() if number > turn]
    if dice:
        dice.shuffle(rest)
    given.update(zip((each for each in addresses if each not in given), rest, strict=True))
    return given


# -- the second choices, on which it depends what happens after two failures


class _Seconds:
    """How many addresses of each host have which host as their second choice: `table[a][c]`."""

    def __init__(
        self,
        task: Task,
        first: Sequence[int],
        wanted: Sequence[Mapping[int | None, int]],
        dice: random.Random,
    ) -> None:
        self._first, self._wanted, self._dice = first, wanted, dice
        self._hosts = range(task.hosts)
        loads = dict(enumerate(first))
        self.table = [
            _fill(task, {host}, loads, first[host], wanted[host], dice) for host in self._hosts
        ]
        self._single = [task.shares({host}) for host in self._hosts]
        self._shares = {pair: task.shares(pair) for pair in combinations(self._hosts, 2)}
        self._cost = {pair: self._of(pair) for pair in self._shares}
        self.cost = sum(self._cost.values())

    def _of(self, pair: tuple[int, int]) -> int:
        """How uneven the loads are without these two, when the third choices have done all they
        can. Squares: one host with 2 too many is worse than two with 1."""
        one, two = pair
        over = under = 0
        for host, (low, high) in enumerate(self._shares[pair]):
            if host in pair:
                continue
            load = self._first[host] + self.table[one][host] + self.table[two][host]
            if load > high:
                over += (load - high) ** 2
            elif load < low:
                under += low - load
        short = max(0, under - self.table[one][two] - self.table[two][one])
        return (over + short) ** 2

    def move(self) -> None:
        """Exchange the second choice of one address for another that is as even after one failure,
        and keeps as many where they are; unless that makes things worse."""
        host = self._dice.choice(self._hosts)
        row, wanted, first = self.table[host], self._wanted[host], self._first
        single = self._single[host]
        give = [c for c in row if row[c] and first[c] + row[c] > single[c][0]]
        take = [c for c in row if first[c] + row[c] < single[c][1]]
        if not give or not take:
            return
        old, new = self._dice.choice(give), self._dice.choice(take)
        loses = row[old] <= wanted.get(old, 0)
        if old == new or (loses and row[new] >= wanted.get(new, 0)):
            return
        row[old] -= 1
        row[new] += 1
        pairs = [(min(host, each), max(host, each)) for each in row]
        costs = {pair: self._of(pair) for pair in pairs}
        worse = sum(cost - self._cost[pair] for pair, cost in costs.items())
        if worse <= 0 or self._dice.random() < _WORSE**worse:
            self._cost.update(costs)
            self.cost += worse
        else:
            row[old] += 1
            row[new] -= 1


def _seconds(
    task: Task, chosen: Sequence[Order], wishes: Sequence[int | None], dice: random.Random
) -> dict[int, dict[int, int]]:
    """The best table of second choices that the search finds."""
    first = [0] * task.hosts
    wanted: list[Counter[int | None]] = [Counter() for _ in range(task.hosts)]
    for (host,), wish in zip(chosen, wishes, strict=True):
        first[host] += 1
        wanted[host][wish] += wish is not None
    best: _Seconds | None = None
    for _ in range(STARTS):
        start = _Seconds(task, first, wanted, dice)
        found = start.cost, [dict(row) for row in start.table]
        for _ in range(min(MOVES, _WORK // task.hosts**2)):
            if not found[0]:
                break
            start.move()
            if start.cost < found[0]:
                found = start.cost, [dict(row) for row in start.table]
        start.cost, start.table = found
        if best is None or start.cost < best.cost:
            best = start
        if not best.cost:
            break
    assert best is not None
    return dict(enumerate(best.table))
