"""The strips of `vipctl watch`, and a page that fits the terminal."""

from dataclasses import replace

from cli.samples import BACKUP, MASTER, NOW, OTHER, problem
from vipd.api.events import Event, Kind, Transition
from vipd.carp.states import Reason, State
from vipd.cli.status import Report
from vipd.cli.strip import CELL, HERE, UNKNOWN, Hosts, Strip, drawn, owners
from vipd.cli.watch import Screen


def event(at: float, old: State, new: State, peer: str | None = None) -> Event:
    change = Transition(old, new, Reason.MASTER_DOWN, peer)
    return Event(1, at, "001", 1, "eth1", new, Kind.TRANSITION, "warning", "", transition=change)


def text(strip: Strip, now: float = NOW, width: int = 6) -> str:
    return drawn(strip, Hosts(), now, width, colours=False)


def test_what_was_before_comes_from_the_transitions() -> None:
    history = [
        event(NOW - 5 * CELL, State.BACKUP, State.MASTER),
        event(NOW - 2 * CELL, State.MASTER, State.BACKUP, "198.51.100.180"),
    ]
    strip = Strip()
    strip.learn(owners(history)["001"], NOW)
    assert text(strip) == "███aa "


def test_who_took_over_from_nobody_is_not_known() -> None:
    found = owners(
        [event(NOW, State.INIT, State.BACKUP), event(NOW + 3, State.BACKUP, State.MASTER)]
    )
    assert found == {"001": [(NOW, UNKNOWN), (NOW + 3, HERE)]}


def test_each_moment_shows_its_owner() -> None:
    strip, hosts = Strip(), Hosts()
    strip.record(MASTER, NOW - 4 * CELL)
    strip.record(BACKUP, NOW - 3 * CELL)
    strip.record(replace(BACKUP, heard=replace(OTHER, address="198.51.100.181")), NOW - 2 * CELL)
    strip.record(replace(BACKUP, heard=None), NOW - CELL)
    strip.record(replace(BACKUP, state=State.INIT, heard=None), NOW)
    assert drawn(strip, hosts, NOW, 6, colours=False) == " █ab·?"
    assert hosts.legend(colours=False) == (
        "█ this host   a 198.51.100.180   b 198.51.100.181   · nobody   "
        "? takes no part   × advertisements missed"
    )


def test_missed_advertisements_are_marked_even_if_the_next_ones_came() -> None:
    strip = Strip()
    strip.record(replace(BACKUP, missed=3), NOW - 3 * CELL)
    strip.record(replace(BACKUP, missed=5), NOW - 2 * CELL)
    strip.record(replace(BACKUP, missed=5), NOW - CELL)
    strip.record(replace(BACKUP, missed=5, heard=replace(OTHER, missing=1)), NOW)
    assert text(strip, width=4) == "a×a×"


def test_a_strip_does_not_grow_for_ever() -> None:
    strip = Strip()
    for second in range(0, 10_000, CELL):
        strip.record(MASTER, NOW + second)
    assert len(strip.owners) < 1000


def page(screen: Screen, width: int = 80, height: int = 24) -> list[str]:
    return screen.lines(NOW, width, height, colours=False)


def test_a_page_has_summary_strips_alerts_and_legend() -> None:
    screen = Screen([])
    screen.record(Report((MASTER, replace(BACKUP, id="002", problems=[problem("x")])), (), NOW))
    out = page(screen)
    assert out[0].endswith("ATTENTION (002): 2 VIPs, 1 MASTER, 1 BACKUP")
    assert out[3].startswith("001  198.51.100.154  MASTER  2h13m  this host")
    assert out[3].endswith("█")
    assert len(out[3]) == 80
    assert out[4].endswith(" a")
    assert "! 002: x" in out
    assert out[-1].startswith("█ this host   a 198.51.100.180")


def test_a_page_fits_the_terminal_and_shows_what_needs_attention() -> None:
    vips = [replace(MASTER, id=f"{number:03}") for number in range(1, 256)]
    vips[199] = replace(vips[199], problems=[problem("two masters")])
    screen = Screen([])
    screen.record(Report(tuple(vips), (), NOW))
    out = page(screen, height=20)
    assert len(out) <= 20
    assert any(line.startswith("200 ") for line in out)
    assert any("more that are fine; name the IDs to see them" in line for line in out)
    assert "! 200: two masters" in out


def test_events_stand_below_and_are_not_told_twice() -> None:
    screen = Screen(["001"])
    screen.record(Report((MASTER,), (), NOW))
    news = [event(NOW - 1, State.BACKUP, State.MASTER)]
    screen.happened(news)
    screen.happened([*news, replace(news[0], at=NOW, id="002")])
    out = page(screen)
    assert len([line for line in out if "BACKUP → MASTER" in line]) == 1


def test_a_cell_that_has_just_begun_shows_the_owner_before() -> None:
    """Between the answer and the drawing a new cell may begin."""
    strip = Strip()
    strip.record(BACKUP, NOW - CELL)
    strip.record(MASTER, NOW)
    assert text(strip, NOW + CELL, width=4) == " a██"
    assert text(strip, NOW + 2 * CELL, width=4) == "a█  "
