"""Files as large as they may be: eight times the text takes about eight times as long, not 64
times, and says no more than people can read."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.config.load import load
from vipd.config.problem import MAX_OF_A_KIND
from vipd.config.snapshot import Snapshot

#: Of 64 for what is quadratic; a machine that does other things makes 8 seem more.
LINEAR = 24


def addresses(number: int) -> str:
    return " ".join(f"10.0.{i >> 8}.{i & 255}" for i in range(number))


LONG = {
    "addresses": lambda n: {"VIP_ADDRESS": addresses(n // 12)},
    "the same address": lambda n: {"VIP_ADDRESS": "10.0.0.1 " * (n // 9)},
    "no addresses": lambda n: {"VIP_ADDRESS": "x " * (n // 2)},
    "options": lambda n: {"OPTIONS": "-P " * (n // 3)},
    "values": lambda n: {"OPTIONS": "-k 1 " * (n // 5)},
    "no options": lambda n: {"OPTIONS": "x " * (n // 2)},
    "wrong options": lambda n: {"OPTIONS": "-q " * (n // 3)},
    "a cluster": lambda n: {"OPTIONS": f"-{'P' * n}"},
    "an option's value": lambda n: {"OPTIONS": f"--xparam={'a' * n}"},
    "a password": lambda n: {"PASSWORD": "a" * n},
    "a path": lambda n: {"UPSCRIPT": "a/" * (n // 2)},
}


def seconds(directory: Path, keys: dict[str, str]) -> tuple[float, Snapshot]:
    """What it takes to load one file with these keys."""
    write_vip(directory, **keys)
    return seconds_to_load(directory)


def seconds_to_load(directory: Path) -> tuple[float, Snapshot]:
    """Of processor, the least of three times: one of them may collect garbage."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        snapshot = load(directory)
        times.append(time.process_time() - begin)
    return min(times), snapshot


@pytest.mark.parametrize("make", LONG.values(), ids=LONG)
def test_a_long_value_takes_as_long_as_it_is(
    tmp_path: Path, make: Callable[[int], dict[str, str]]
) -> None:
    short, _ = seconds(tmp_path, make(8000))
    long, snapshot = seconds(tmp_path, make(64000))
    assert long < LINEAR * max(short, 0.001)
    assert len(snapshot.problems) <= 2 * MAX_OF_A_KIND


LINES = {
    "copies": "B=$A",
    "copies of what has a value": "B=${A:-x}",
    "a value that grows": "A+=a",
    "a value that doubles": "A=$A$A",
    "unset variables": "X=$Y",
    "unknown keys": "PASSWORTNUMBER=1",
    "the same key": "PASSWORD=1",
    "comments": "# nothing",
    "commands": "ls -l",
    "refused": "X=$(a)",
    "files": ". /nowhere",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("start", ["a", "a" * 65000], ids=["short", "long"])
def test_many_lines_take_as_long_as_they_are_many(tmp_path: Path, line: str, start: str) -> None:
    """Or less: a file is not read to its end when it is no configuration."""

    def write(number: int) -> None:
        file = write_vip(tmp_path)
        lines = "".join(f"{line.replace('NUMBER', str(each))}\n" for each in range(number))
        file.write_text(f"{file.read_text()}A={start}\n{lines}")

    times = []
    for number in (500, 4000):
        write(number)
        took, snapshot = seconds_to_load(tmp_path)
        times.append(took)
    assert times[1] < LINEAR * max(times[0], 0.01)
    assert len(snapshot.problems) <= 3 * MAX_OF_A_KIND


def test_values_that_are_copied_again_and_again_are_refused(tmp_path: Path) -> None:
    file = write_vip(tmp_path)
    file.write_text(f"{file.read_text()}A={'a' * 60000}\n" + "B=$A\n" * 100)
    snapshot = load(tmp_path)
    assert snapshot.vips == ()
    assert "have more than 200000 characters together" in snapshot.problems[0].message
    file.write_text(f"{write_vip(tmp_path).read_text()}A={'a' * 60000}\n" + "B=$A\n" * 3)
    assert len(load(tmp_path).vips) == 1


def test_of_many_problems_the_first_are_told(tmp_path: Path) -> None:
    write_vip(tmp_path, OPTIONS="x " * 1000)
    (vip,) = load(tmp_path).vips  # they are warnings
    warnings = load(tmp_path).problems
    assert len(warnings) == MAX_OF_A_KIND
    assert "from here on they are not shown" in warnings[-1].message
    write_vip(tmp_path, OPTIONS="x " * 1000 + "--nothing")
    assert vip.id == "001"
    assert load(tmp_path).vips == ()  # an error behind them counts
