"""The orders of the hosts for many addresses: how even the load is, whoever fails.

The loads are counted here from the orders alone, in the simplest way, and not by the code that is
tested. What is possible is a fact about numbers, found with a constraint solver.
"""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations

import pytest

from vipd.cli.planning.orders import IMPOSSIBLE, Order, Task, orders
from vipd.cli.planning.skews import skews


def fresh(hosts: int, addresses: int) -> Task:
    return Task((1,) * hosts, ((),) * addresses)


def loads(found: Sequence[Order], hosts: int, dead: Collection[int]) -> list[int]:
    living = [host for host in range(hosts) if host not in dead]
    of = dict.fromkeys(living, 0)
    for order in found:
        of[next(host for host in order if host in living)] += 1
    return list(of.values())


def spread(found: Sequence[Order], hosts: int, failures: int) -> int:
    """How far apart two living hosts are in the worst case."""
    every = [loads(found, hosts, dead) for dead in combinations(range(hosts), failures)]
    return max(max(each) - min(each) for each in every)


@pytest.mark.parametrize("hosts", range(2, 9))
def test_up_to_64_addresses_what_is_possible_is_reached(hosts: int) -> None:
    for addresses in range(1, 65):
        found = orders(fresh(hosts, addresses))
        assert all(sorted(order) == list(range(hosts)) for order in found)
        spreads = [spread(found, hosts, failures) for failures in range(min(3, hosts))]
        twice = 2 if addresses in IMPOSSIBLE.get(hosts, ()) else 1
        assert all(s <= most for s, most in zip(spreads, (1, 1, twice), strict=False)), addresses


def test_large_groups_are_even_too() -> None:
    found = orders(fresh(16, 255))
    assert [spread(found, 16, failures) for failures in (0, 1, 2)] == [1, 0, 1]


def test_the_same_question_has_the_same_answer() -> None:
    assert orders(fresh(7, 31)) == orders(fresh(7, 31))


def test_first_choices_go_round() -> None:
    assert [order[0] for order in orders(fresh(3, 7))] == [0, 1, 2, 0, 1, 2, 0]


def test_the_rotated_orders_that_everybody_writes_are_worse() -> None:
    rotated = [tuple((first + n) % 5 for n in range(5)) for first in range(5)] * 4
    assert spread(rotated, 5, 1) == 4
    assert spread(orders(fresh(5, 20)), 5, 1) == 0 + (20 % 4 > 0)


def test_a_pinned_address_is_where_it_is_pinned_and_the_rest_makes_up_for_it() -> None:
    found = orders(Task((1,) * 4, ((),) * 13, {12: 0, 3: 0}))
    assert found[12][0] == found[3][0] == 0
    assert [spread(found, 4, failures) for failures in (0, 1, 2)] == [1, 1, 1]


def test_too_many_pins_leave_the_others_as_even_as_they_can_be() -> None:
    found = orders(Task((1,) * 3, ((),) * 6, dict.fromkeys(range(4), 2)))
    assert loads(found, 3, ()) == [1, 1, 4]
    assert loads(found, 3, {2}) == [3, 3]


def test_weights_are_shares_also_after_failures() -> None:
    found = orders(Task((3, 2, 1, 1), ((),) * 42))
    assert loads(found, 4, ()) == [18, 12, 6, 6]
    assert loads(found, 4, {2}) == [21, 14, 7]
    assert loads(found, 4, {0, 1}) == [21, 21]


def test_every_weight_gets_its_share_rounded_after_one_failure() -> None:
    dice = random.Random(7)
    for _ in range(60):
        hosts, addresses = dice.randint(2, 7), dice.randint(1, 40)
        weights = tuple(dice.randint(1, 5) for _ in range(hosts))
        found = orders(Task(weights, ((),) * addresses))
        for dead in ((), *((host,) for host in range(hosts))):
            living = [host for host in range(hosts) if host not in dead]
            whole = sum(weights[host] for host in living)
            for host, load in zip(living, loads(found, hosts, dead), strict=True):
                assert abs(load - addresses * weights[host] / whole) < 1, (weights, addresses, dead)


# -- what is there changes as little as possible


def test_orders_that_are_even_stay_as_they_are() -> None:
    for hosts, addresses in ((2, 5), (4, 13), (6, 12), (8, 61)):
        found = orders(fresh(hosts, addresses))
        assert orders(Task((1,) * hosts, tuple(found))) == found


def test_whatever_was_there_the_loads_are_even_after_one_failure() -> None:
    dice = random.Random(11)
    for _ in range(300):
        hosts, addresses = dice.randint(2, 8), dice.randint(1, 40)
        kept = []
        for _ in range(addresses):
            some = list(range(dice.randint(0, hosts)))  # the others are new
            dice.shuffle(some)
            kept.append(tuple(some))
        found = orders(Task((1,) * hosts, tuple(kept)))
        assert [spread(found, hosts, failures) <= 1 for failures in (0, 1)] == [True, True], kept
        firsts = Counter(old[0] for old in kept if old)
        low, more = divmod(addresses, hosts)
        ranked = sorted(firsts.values(), reverse=True)
        stay = sum(min(load, low + (n < more)) for n, load in enumerate(ranked))
        same = sum(old[0] == new[0] for old, new in zip(kept, found, strict=True) if old)
        assert same == stay, kept  # no owner moves that need not


def test_a_new_address_moves_no_other() -> None:
    found = orders(fresh(4, 13))
    more = orders(Task((1,) * 4, (*found, ())))
    assert [order[0] for order in more[:13]] == [order[0] for order in found]
    assert spread(more, 4, 1) <= 1


def test_a_new_host_takes_its_share_and_nothing_else_moves() -> None:
    found = orders(fresh(4, 20))
    more = orders(Task((1,) * 5, tuple(found)))
    moved = [(old[0], new[0]) for old, new in zip(found, more, strict=True) if old[0] != new[0]]
    assert [new for _, new in moved] == [4] * 4
    assert sorted(old for old, _ in moved) == [0, 1, 2, 3]
    assert spread(more, 5, 1) <= 1


def test_when_a_host_leaves_only_its_addresses_move() -> None:
    found = orders(fresh(5, 20))
    less = orders(Task((1,) * 4, tuple(tuple(h for h in order if h < 4) for order in found)))
    moved = [old[0] for old, new in zip(found, less, strict=True) if old[0] != new[0]]
    assert set(moved) == {4}
    assert spread(less, 4, 1) <= 1


# -- advskews


def test_advskews_are_50_apart_where_there_is_room_for_that() -> None:
    assert skews("abcd", {}) == {"a": 0, "b": 50, "c": 100, "d": 150}
    assert list(skews("abcdef", {}).values()) == [0, 40, 80, 120, 160, 200]
    many = list(skews([str(n) for n in range(32)], {}).values())
    assert many[-1] == 200
    assert len(set(many)) == 32


def test_advskews_stay_if_they_may() -> None:
    assert skews("ab", {"a": 3, "b": 77}) == {"a": 3, "b": 77}
    assert skews("anb", {"a": 0, "b": 50}) == {"a": 0, "n": 25, "b": 50}
    assert skews("abn", {"a": 0, "b": 50}) == {"a": 0, "b": 50, "n": 100}
    assert skews("nab", {"a": 0, "b": 50}) == {"n": 0, "a": 25, "b": 50}
    assert skews("ba", {"a": 0, "b": 50}) == {"b": 50, "a": 100}


def test_advskews_make_room_where_there_is_none() -> None:
    assert skews("ab", {"a": 10, "b": 12}) == {"a": 10, "b": 60}
    assert skews("abc", {"a": 0, "b": 238}) == {"a": 0, "b": 50, "c": 100}
    dice = random.Random(3)
    for _ in range(2000):
        names = [str(n) for n in range(dice.randint(2, 32))]
        before = {n: dice.randint(0, 255) for n in names if dice.random() < 0.7}
        values = list(skews(names, before).values())
        assert values == sorted(set(values))
        assert values[0] >= 0
        assert values[-1] <= 240
