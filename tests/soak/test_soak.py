"""What a soak finds out, and that a short one finds nothing. `make soak` is the long one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soak.editor import COUNT
from soak.gauge import Reading
from soak.leaks import GROWTH, leaks
from soak.soaking import Rest, Soak
from vipd.lab import Lab

READING = Reading(0.0, private=30.0, pss=35.0, descriptors=20, threads=4, children=0, cpu=1.0)
INSIDE = {"tasks": {"vip-": 255}, "types": {"builtins.dict": 900}, "threads": ["MainThread"]}
BEFORE = Rest(READING, INSIDE)
SECONDS = 10


def after(inside: dict[str, Any] | None = None, **reading: Any) -> Rest:
    return Rest(replace(READING, **reading), {**INSIDE, **(inside or {})})


def test_nothing_is_left_over_when_all_is_as_it_was() -> None:
    assert leaks([READING] * 10, BEFORE, after(private=30.0 + GROWTH / 2)) == []


def test_memory_that_grows_is_found_and_what_it_may_be() -> None:
    growing = [replace(READING, private=30.0 + number / 5) for number in range(10)]
    more = after({"types": {"builtins.dict": 1900}}, private=30.0 + 2 * GROWTH)
    under_load, at_rest = leaks(growing, BEFORE, more)
    assert under_load.startswith("memory under load grew by 1.60 MB: {'builtins.dict': 1000}")
    assert at_rest.startswith("memory at rest grew by 2.00 MB: {'builtins.dict': 1000}")


@pytest.mark.parametrize("what", ["descriptors", "threads", "children"])
def test_one_that_is_left_over_is_one_too_many(what: str) -> None:
    (found,) = leaks([READING], BEFORE, after(**{what: getattr(READING, what) + 1}))
    assert found.startswith(f"1 {what} left over")


def test_tasks_that_are_left_over_are_named() -> None:
    more = after({"tasks": {"vip-": 255, "script-": 2}})
    assert leaks([READING], BEFORE, more) == ["tasks left over: {'script-': 2}"]


@pytest.mark.lab
@pytest.mark.alone
def test_a_short_soak_leaves_nothing_behind_but_warm_memory(tmp_path: Path) -> None:
    """Threads may start later, too: a pool of them, as long as it is not full."""
    with Lab(history=False) as lab:
        soak = Soak(lab, tmp_path, seed="short")
        soak.run(SECONDS)
        first, transitions = soak.rest(), soak.transitions
        readings = soak.run(SECONDS)
        last = soak.rest()
    assert soak.transitions > transitions + COUNT
    assert soak.reloads == 2 * SECONDS
    assert sum(first.inside["tasks"].values()) > COUNT
    found = leaks(readings, first, last)
    assert [what for what in found if "memory" not in what and "threads left" not in what] == []
