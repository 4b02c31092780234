"""What happens is told once, to everybody, and remembered: events, history, complaints."""

import asyncio
import logging
import re
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from vipd.api.events import Event, Kind
from vipd.carp.effects import Acquire, Announce, SendAdvertisement, Transition
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.situation import Heard
from vipd.carp.states import Reason, State
from vipd.daemon.control.report import overdue
from vipd.daemon.diagnosis.log_budget import LogBudget
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.events.history import History
from vipd.daemon.events.hub import DAEMON, Hub, Subject
from vipd.daemon.vips.transition_timing import TransitionTiming

WEB02 = IPv4Address("198.51.100.180")
GROUP = IPv4Address("224.0.0.18")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hub() -> Hub:
    return Hub(logging.getLogger("nobody listens"), lambda: 1000.0)


def happen(hub: Hub, identifier: str = "001", text: str = "something") -> Event:
    return hub.publish(Subject(identifier, 1, "eth1"), Kind.PROBLEM, text)


# Events


def test_events_are_numbered_and_go_to_all_listeners_in_order(hub: Hub) -> None:
    first: list[Event] = []
    second: list[Event] = []
    hub.subscribe(first.append)
    leave = hub.subscribe(second.append)
    one = happen(hub)
    leave()
    two = hub.publish(DAEMON, Kind.RELOAD, "files read", level="info")
    assert first == [one, two]
    assert second == [one]
    assert (one.number, two.number, hub.last) == (1, 2, 2)
    assert (one.id, one.vhid, one.interface, one.at) == ("001", 1, "eth1", 1000.0)
    assert (two.id, two.vhid, two.interface) == ("", 0, "")


def test_what_was_postponed_comes_before_what_happens_later_with_its_own_time() -> None:
    clock, waiting, heard = Clock(), list[Callable[[], None]](), list[Event]()
    hub = Hub(logging.getLogger("nobody listens"), clock, waiting.append)
    hub.subscribe(heard.append)

    def postpone(text: str) -> None:
        subject = Subject("001", 1, "eth1")
        hub.postpone(lambda at: hub.publish(subject, Kind.TRANSITION, text, at=at))

    postpone("first")
    clock.now += 1
    postpone("second")
    clock.now += 1
    assert heard == []
    happen(hub, text="third")
    postpone("fourth")
    for work in waiting:
        work()
    assert [each.text for each in heard] == ["first", "second", "third", "fourth"]
    assert [each.at for each in heard] == [100.0, 101.0, 102.0, 102.0]
    assert [each.number for each in heard] == [1, 2, 3, 4]


def test_a_listener_that_fails_is_no_trouble_to_the_others(hub: Hub) -> None:
    heard: list[Event] = []

    def fail(_event: Event) -> None:
        raise ValueError

    hub.subscribe(fail)
    hub.subscribe(heard.append)
    assert heard == [happen(hub)]


def test_an_event_is_one_line_of_the_log(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    event = happen(hub, text="two masters")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "001: two masters")
    ]
    assert caplog.records[0].__dict__["event"] is event


# History


def test_history_is_by_vip_and_in_order(hub: Hub) -> None:
    history = History()
    hub.subscribe(history)
    events = [happen(hub, identifier) for identifier in ("001", "002", "", "001")]
    assert list(history.events()) == events
    assert list(history.newest()) == events[::-1]
    assert list(history.events(["001", "001"])) == [events[0], events[3]]
    assert list(history.events(after=2)) == events[2:]
    assert list(history.events(["003"])) == []
    assert ("001" in history, "003" in history) == (True, False)


def test_a_vip_that_flaps_does_not_push_out_what_happened_to_the_others(hub: Hub) -> None:
    history = History()
    hub.subscribe(history)
    quiet = happen(hub, "002")
    for _ in range(10 * History.EACH):
        happen(hub, "001")
    assert list(history.events(["002"])) == [quiet]
    assert len(list(history.events(["001"]))) == History.EACH
    assert next(history.newest()).number == hub.last


def test_vips_that_came_and_went_are_forgotten_in_the_end(hub: Hub) -> None:
    history = History()
    hub.subscribe(history)
    happen(hub, "gone")
    for number in range(History.VIPS):
        happen(hub, "stays")
        happen(hub, f"new{number}")
    assert "gone" not in history
    assert len(list(history.events(["stays"]))) == History.EACH


# Complaints


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Unlimited:
    """A budget that allows everything, unless it is spent."""

    spent = False

    def take(self, forgeable: bool) -> bool:
        return not (forgeable and self.spent)


def complaints_to(
    told: list[str], clock: Clock, budget: Unlimited | None = None
) -> RateLimitedProblems:
    return RateLimitedProblems(
        lambda complaint: told.append(complaint.text), clock, budget or Unlimited()
    )


def test_the_same_complaint_is_told_once_a_minute_and_counted(clock: Clock) -> None:
    told: list[str] = []
    complaints = complaints_to(told, clock)
    for second in range(130):
        clock.now = 100.0 + second
        complaints.say("second master", lambda: f"at {clock.now:g}")
        complaints.say(("lost", "198.51.100.154"), lambda: "lost")
    assert told == ["at 100", "lost", "at 160", "lost", "at 220", "lost"]
    master, lost = complaints.current()
    assert (master.code, master.text, master.count) == ("second_master", "at 220", 130)
    assert (master.since, master.last) == (100.0, 229.0)
    assert lost.code == "lost"


def test_what_is_not_seen_any_more_is_mended_in_a_while(clock: Clock) -> None:
    complaints = complaints_to([], clock)
    complaints.say("claimed", lambda: "who is that?")
    clock.now += RateLimitedProblems.KEPT - 1
    assert len(list(complaints.current())) == 1
    clock.now += 1
    assert list(complaints.current()) == []
    complaints.say("claimed", lambda: "again")
    (again,) = complaints.current()
    assert (again.count, again.since) == (1, clock.now)
    complaints.forget("claimed")
    assert list(complaints.current()) == []


def test_what_comes_and_goes_is_told_once_a_minute_too(clock: Clock) -> None:
    told: list[str] = []
    complaints = complaints_to(told, clock)
    for second in range(90):
        clock.now = 100.0 + second
        complaints.say("send", lambda: f"at {clock.now:g}")
        assert len(list(complaints.current())) == 1
        complaints.forget("send")
        assert list(complaints.current()) == []
    assert told == ["at 100", "at 160"]


def test_what_the_budget_keeps_out_of_the_log_is_there_all_the_same(clock: Clock) -> None:
    told: list[str] = []
    budget = Unlimited()
    budget.spent = True
    complaints = complaints_to(told, clock, budget)
    made: list[str] = []

    def words() -> str:
        made.append("")
        return "in the log or not"

    for _ in range(3):
        complaints.say("second master", words, forgeable=True)
    assert told == made == []  # nothing is put into words for nobody
    assert [each.text for each in complaints.current()] == ["in the log or not"]
    clock.now += RateLimitedProblems.EVERY
    budget.spent = False
    complaints.say("second master", words, forgeable=True)
    assert told == ["in the log or not"]


def test_somebody_who_forges_many_complaints_neither_fills_the_memory_nor_empties_it(
    clock: Clock,
) -> None:
    told: list[str] = []
    complaints = complaints_to(told, clock)
    for _ in range(2):
        for number in range(5000):
            complaints.say(("forged", number), lambda: "no", forgeable=True)
    room = RateLimitedProblems.LIMIT - RateLimitedProblems.RESERVE
    assert len(list(complaints.current())) == len(told) == room
    assert complaints.unkept == 2 * (5000 - room)
    complaints.say(("setup", "join"), lambda: "our own errors have places")
    assert told[-1] == "our own errors have places"
    assert told[-1] in [each.text for each in complaints.current()]
    clock.now += RateLimitedProblems.KEPT
    complaints.say("second master", lambda: "there is room again")
    assert told[-1] == "there is room again"
    assert len(list(complaints.current())) == 1


class QuickLoop(asyncio.SelectorEventLoop):
    """An event loop for which a minute passes as soon as somebody says so."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock  # type: ignore[method-assign]
        super().__init__()


def test_the_log_takes_under_a_hundred_problems_in_any_minute_and_says_how_many_more(
    hub: Hub, clock: Clock
) -> None:
    loop = QuickLoop(clock)
    budget = LogBudget(loop, hub)
    logged: list[float] = []
    summaries: list[str] = []
    tenths, at_once = 3000, 50

    def told(event: Event) -> None:
        logged.append(clock.now)
        summaries.append(event.text)

    async def flood() -> None:
        for _ in range(tenths):
            clock.now += 0.1
            logged.extend(clock.now for _ in range(at_once) if budget.take(forgeable=True))
            await asyncio.sleep(0)

    hub.subscribe(told)
    loop.run_until_complete(flood())
    assert budget.take(forgeable=False)  # what nobody can forge is logged all the same
    loop.close()
    for begin in range(100, 400, 5):
        assert sum(begin <= at < begin + 60 for at in logged) < 95
    assert len(summaries) == 5
    assert budget.unlogged == tenths * at_once - (len(logged) - len(summaries))
    assert re.match(r"\d+ more problems were not logged, .*`vipctl doctor`", summaries[0])


# Missing now


OURS = Parameters(IPv4Address("198.51.100.179"))


def heard(at: float, advbase: int = 1, advskew: int = 0) -> Heard:
    return Heard(Advertisement(WEB02, GROUP, 1, advbase, advskew, 0, 0, bytes(20)), at)


def test_who_said_that_it_leaves_owes_no_advertisement() -> None:
    assert overdue(heard(100.0, 255, 255), 1e6, OURS) == 0
    assert overdue(heard(100.0, 0, 0), 101.0, OURS) == pytest.approx(255, abs=1)


@pytest.mark.parametrize(("gap", "owed"), [(0.9, 0), (1.05, 0), (1.2, 1), (2.2, 2), (5.2, 5)])
def test_what_a_master_should_have_sent_by_now(gap: float, owed: int) -> None:
    assert overdue(heard(100.0), 100.0 + gap, OURS) == owed


# Measured times


def test_a_passage_measures_its_first_steps_from_the_decision(clock: Clock) -> None:
    timed = TransitionTiming(
        Transition(State.BACKUP, State.MASTER, Reason.MASTER_DOWN), clock, True
    )
    for effect in (Acquire(), Announce(), SendAdvertisement(1, 0), Announce()):
        clock.now += 1
        timed.done(effect)
    told = timed.told(heard(97.0))
    assert (told.old, told.new, told.reason) == (State.BACKUP, State.MASTER, Reason.MASTER_DOWN)
    assert (told.address, told.announcement, told.advertisement) == (1, 2, 3)
    assert (told.peer, told.silence) == (str(WEB02), 3.0)


def test_an_address_that_a_script_adds_is_not_measured_here(clock: Clock) -> None:
    timed = TransitionTiming(
        Transition(State.BACKUP, State.MASTER, Reason.PREEMPTION), clock, False
    )
    timed.done(Acquire())
    assert timed.told(None).address is None
    assert timed.told(None).peer is None
