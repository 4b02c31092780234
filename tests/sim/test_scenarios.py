"""Random scenarios, those that once found something, and a few that everybody asks for."""

import subprocess
import sys
from pathlib import Path

import pytest

from sim.play import play, story, verdict
from sim.scenario import Fault, HostPlan, Scenario, Setting, Weather, What, from_json, from_seed
from sim.watch import PromiseError
from sim.world import World

#: Played in every run of the tests, a block a test, so that all test workers have something to do.
SCENARIOS, BLOCK = 10_000, 500
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


@pytest.mark.parametrize("first", range(0, SCENARIOS, BLOCK))
def test_every_promise_is_kept_whatever_happens(first: int) -> None:
    tally = play(range(first, first + BLOCK))
    assert tally.broken == []
    for what in ("none", "overlap", "lease", "settled", "sick"):
        assert tally.checks[what] > BLOCK / 20  # it has looked


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    assert verdict(from_json(path.read_bytes())) == ""


def test_32_hosts_and_255_groups() -> None:
    """Crash and return of the best host, a split in the middle, and a frozen process."""
    hosts = tuple(
        HostPlan(
            tuple(Setting(advskew=(8 * host + group) % 256, preempt=True) for group in range(255)),
            drift=(host - 16) * 1e-5,
        )
        for host in range(32)
    )
    faults = (
        Fault(8, What.CRASH, host=0, seconds=5),
        Fault(18, What.PARTITION, host=0, mask=0xFFFF, seconds=5),
        Fault(28, What.FREEZE, host=1, seconds=4),
    )
    world = World(Scenario(1, hosts, Weather(), faults))
    world.run()
    assert world.watch.checked["settled"] == 255
    assert world.watch.checked["overlap"] >= 255  # after the split


# Replay


@pytest.mark.parametrize("seed", [3, 1983])
def test_a_seed_is_always_the_same_story(seed: int) -> None:
    assert story(from_seed(seed)) == story(from_seed(seed))


@pytest.mark.parametrize("seed", range(40))
def test_a_scenario_survives_being_written_down(seed: int) -> None:
    assert from_json(from_seed(seed).to_json()) == from_seed(seed)


def sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "sim", *arguments],
        cwd=root / "tests",
        env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_tells_the_story_of_a_seed_and_of_a_file(tmp_path: Path) -> None:
    told = sim("1983")
    assert told.returncode == 0, told.stderr
    assert "MASTER: nothing heard from a master" in told.stdout
    assert told.stdout.endswith("All holds.\n")
    (tmp_path / "1983.json").write_text(sim("1983", "--json").stdout)
    assert sim(str(tmp_path / "1983.json")).stdout == told.stdout


def test_the_command_plays_as_many_as_it_is_told() -> None:
    played = sim("--scenarios", "60", "--first", "1000", "--jobs", "2")
    assert played.returncode == 0, played.stderr
    assert "seeds 1000 to 1059: 60 scenarios" in played.stdout
    assert "0 broken" in played.stdout


# Hand-overs among three


def three(fault: Fault) -> Scenario:
    hosts = tuple(HostPlan((Setting(advskew=skew),)) for skew in (0, 100, 200))
    return Scenario(7, hosts, Weather(slowest=0.0005), (fault,))


@pytest.mark.parametrize("what", [What.STOP, What.CRASH, What.HOLD])
def test_only_the_next_in_line_takes_over(what: What) -> None:
    lines, broken = story(three(Fault(20, what, host=0, seconds=100)))
    assert broken == ""
    masters = [line for line in lines if "MASTER:" in line]
    assert ["vipd0" in line for line in masters] == [True, False]
    assert "vipd1" in masters[1]


def test_a_stopped_master_leaves_no_moment_without_an_owner() -> None:
    lines, broken = story(three(Fault(20, What.STOP, host=0, seconds=100)))
    assert broken == ""
    changes = [line.strip() for line in lines if line.endswith(" the address")]
    assert ["vipd0" in line for line in changes] == [True, False, True]
    took, let_go = changes[1:]
    assert took.startswith("20.")
    assert let_go.startswith("20.")
    assert let_go.endswith("vipd0 group 0: no longer has the address")


def test_what_is_broken_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.bounds.GRACE", -0.1)
    scenario = three(Fault(20, What.CRASH, host=0, seconds=100))
    lines, broken = story(scenario)
    assert broken.startswith("3.")  # the first start already
    assert "vipd0 group 0: none from 0." in broken
    assert lines[-1].endswith("vipd0 group 0: has the address")
    with pytest.raises(PromiseError, match=r"for 3\.0\d\d s, where 2\.9\d\d s is the bound"):
        World(scenario).run()
