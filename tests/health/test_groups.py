"""GROUP: what the VIPs of a group learn of each other, and what that costs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from vipd.daemon.health.groups import Groups, OthersOf
from vipd.daemon.health.settings import Grouped
from vipd.daemon.health.verdict import Verdict

WELL = Verdict(True, 0.0)


@dataclass
class Stage:
    """A group, a clock that is set by hand, and a loop that has its turn when asked to."""

    now: float = 0.0
    waiting: list[Callable[[], None]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # whose verdict changed

    def __post_init__(self) -> None:
        self.groups = Groups(lambda: self.now, self.waiting.append)
        self.sources: dict[str, OthersOf] = {}

    def join(self, vip: str, group: str = "router") -> OthersOf:
        setting = Grouped(group, vip)
        source = self.groups.make(setting, lambda: self.told.append(vip), dict)
        source.start()
        self.sources[vip] = source
        return source

    def ails(self, vip: str, said: str = "no carrier", group: str = "router") -> None:
        self.groups.tell(vip, group, Verdict(False, self.now, said, "when it is over"))

    def well(self, vip: str, group: str = "router") -> None:
        self.groups.tell(vip, group, WELL)

    def turn(self) -> None:
        """What the loop has to do now."""
        while self.waiting:
            self.waiting.pop(0)()

    @property
    def sick(self) -> dict[str, str]:
        return {
            vip: each.verdict.said
            for vip, each in self.sources.items()
            if each.verdict.well is False
        }


def three() -> Stage:
    stage = Stage()
    for vip in ("001", "002", "003"):
        stage.join(vip)
        stage.well(vip)
    stage.turn()
    return stage


def test_what_ails_one_makes_the_others_sick_and_not_itself() -> None:
    stage = three()
    stage.ails("002")
    stage.turn()
    assert stage.sick == {"001": "002: no carrier", "003": "002: no carrier"}
    assert stage.sources["001"].verdict.ends == "with 002: when it is over"
    stage.well("002")
    stage.turn()
    assert stage.sick == {}


def test_of_several_the_first_is_named() -> None:
    stage = three()
    stage.now = 5
    stage.ails("003", "no carrier")
    stage.now = 6
    stage.ails("001", "waits")
    stage.turn()
    assert stage.sick == {
        "001": "003: no carrier",
        "002": "003, and 1 more: no carrier",
        "003": "001: waits",
    }
    since = stage.sources["002"].verdict.since
    stage.now = 7
    stage.well("003")
    stage.turn()
    assert stage.sick == {"002": "001: waits", "003": "001: waits"}
    assert stage.sources["002"].verdict.since == since  # it was sick all the time


def test_who_has_no_verdict_yet_keeps_the_others_waiting() -> None:
    stage = three()
    stage.groups.tell("002", "router", Verdict(None, 0.0, "is being started"))
    stage.turn()
    assert [each.verdict.well for each in stage.sources.values()] == [None, True, None]
    stage.ails("003")
    stage.turn()
    assert [each.verdict.well for each in stage.sources.values()] == [False, False, None]


def test_who_leaves_or_moves_leaves_nothing_behind() -> None:
    stage = three()
    stage.ails("002")
    stage.turn()
    stage.ails("002", group="another")
    stage.turn()
    assert stage.sick == {}
    assert stage.join("004", "another").verdict.well is False
    stage.groups.forget("002")
    stage.turn()
    assert stage.sick == {}
    for source in stage.sources.values():
        source.close()
    for vip in stage.sources:
        stage.groups.forget(vip)
    stage.turn()
    assert not any(getattr(stage.groups, name) for name in ("_told", "_sources", "_group_of"))


def test_a_name_from_a_file_is_safe_to_print() -> None:
    stage = three()
    stage.ails("\x1b[2J")
    stage.turn()
    assert all("\x1b" not in said for said in stage.sick.values())


def test_all_that_happens_at_once_is_one_pass() -> None:
    """255 VIPs fall ill together: each is told once, and nothing is done 255 × 255 times."""
    stage = Stage()
    names = [f"{number:03}" for number in range(1, 256)]
    for vip in names:
        stage.join(vip)
        stage.well(vip)
    stage.turn()
    stage.told.clear()
    begin = perf_counter()
    for vip in names:
        stage.ails(vip)
    assert len(stage.waiting) == 1
    stage.turn()
    print(f"\n255 of 255 fall ill: {(perf_counter() - begin) * 1000:.2f} ms")
    assert sorted(stage.told) == names
    begin = perf_counter()
    stage.well("001")
    stage.turn()
    print(f"one of them is well: {(perf_counter() - begin) * 1000:.2f} ms")
