"""A forger, wrong clocks and mixed versions: some scenarios, and whether they would notice."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sim.forged import play, verdict
from sim.scenario import from_json
from vipd.carp import authenticity
from vipd.carp.authenticity import Authenticity
from vipd.carp.tag import Reading, Tags, following
from vipd.daemon.vips.counter import Sequence

SEEDS = range(60)
REGRESSIONS = sorted((Path(__file__).parent / "regressions" / "forged").glob("*.json"))


def test_no_honest_advertisement_is_dropped_and_no_forged_one_counts() -> None:
    seen, broken = play(SEEDS)
    assert not broken
    assert seen["honest"] > 5_000
    assert seen["forged, FORGED"] > 2_000
    assert seen["forged, REPEATED"] > 300
    assert seen["forged, guessed"] <= 3


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    assert verdict(from_json(path.read_bytes()))[1] == ""


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, instead: Any) -> Counter[str]:
    """What is seen if this is otherwise."""
    monkeypatch.setattr(where, name, instead)
    seen, broken = play(SEEDS)
    seen["broken"] = len(broken)
    return seen


def test_without_tags_forged_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Tags.read

    def believes(self: Tags, ad: Any, host: bytes) -> Reading:
        reading = read(self, ad, host)
        return Reading.GENUINE if reading is Reading.ALTERED else reading

    assert counted(monkeypatch, Tags, "read", believes)["forged, guessed"] > 20


def test_without_a_memory_repeated_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticity, "is_newer", lambda _one, _other: True)
    seen, _ = play(SEEDS)
    assert seen["forged, guessed"] > 300


def test_without_catching_up_hosts_whose_clock_is_behind_are_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = play(SEEDS)[0]["behind"]
    skip = Sequence.skip

    def only_ours(self: Sequence, used: int) -> None:
        if used == following(self._used):
            skip(self, used)

    after = counted(monkeypatch, Sequence, "skip", only_ours)
    assert after["behind"] > 5 * before or after["broken"]


def test_without_copies_honest_ones_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, authenticity, "COPIES", -1.0)["broken"]


def test_a_memory_that_is_lost_at_each_start_is_no_reason_to_drop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = counted(monkeypatch, Authenticity, "remember", lambda _self, _known, _now: None)
    assert not seen["broken"]
