"""What the daemon and its guard share, and what one run's counter leaves to the next."""

import os
import socket
from pathlib import Path

import pytest

from vipd.daemon.cleanup.wills import Final, worded
from vipd.daemon.guard import guard as guarding
from vipd.daemon.guard import lines
from vipd.daemon.guard.guard import SEPARATOR, Guard
from vipd.daemon.guard.keeper import Place
from vipd.daemon.guard.leases import NEVER, Leases, create
from vipd.daemon.vips.counter import Counter


def test_both_see_the_same_and_a_place_that_is_cleared_is_as_new() -> None:
    memory = create()
    daemon, guard = Leases(memory), Leases(memory)
    os.close(memory)
    assert (guard.until(7), guard.taken(7)) == (0, False)
    daemon.hold(7, NEVER, 5)
    assert (guard.until(7), guard.believed(7)) == (NEVER, 5)
    daemon.hold(7, 30, 30)
    guard.take(7)
    assert daemon.taken(7)
    assert not daemon.taken(8)
    assert (guard.until(6), guard.until(7), guard.until(8)) == (0, 30, 0)
    daemon.clear(7)
    assert (guard.until(7), guard.taken(7), daemon.taken(7)) == (0, False, False)


def test_the_daemon_sees_how_its_script_fares_until_it_has_seen_it() -> None:
    memory = create()
    daemon, guard = Leases(memory), Leases(memory)
    os.close(memory)
    place = Place(None, daemon, 3)
    assert place.script is None
    guard.begin_script(3)
    place.clear()
    fares = place.script
    assert fares is not None
    assert fares() is None
    assert place.script is None
    guard.end_script(3, succeeded=True)
    assert fares() is True
    guard.begin_script(3)
    guard.end_script(3, succeeded=False)
    again = place.script
    assert again is not None
    assert again() is False
    guard.begin_script(3)
    daemon.forget_scripts([3])  # the guard has died
    assert again() is False
    assert Place(None, daemon, 3).script is None  # another VIP's


def test_of_a_lease_that_is_half_written_the_earlier_end_counts() -> None:
    memory = create()
    leases = Leases(memory)
    leases.hold(1, 2000, 2000)
    os.pwrite(memory, (3000).to_bytes(8, "little"), 40)  # the daemon is stopped after this word
    assert leases.until(1) == 2000
    os.close(memory)


def test_what_the_guard_has_sent_is_left_behind_in_this_run_and_the_next(tmp_path: Path) -> None:
    file = tmp_path / "counter"
    counter = Counter(file)
    ours, others = counter.of(1), counter.of(2)
    sent = ours.last  # by the guard, while we were frozen
    assert next(ours) < sent
    ours.skip(sent)
    after = next(ours)
    assert sent < after < ours.last
    ours.skip(sent)
    assert next(ours) == after + 1
    assert next(others) < sent  # which it has not sent for that one
    assert next(Counter(file).of(2)) > counter.last > after


def test_a_hundred_wills_at_once_wake_the_guard_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes before the daemon, which would else wait for it after each of them."""
    memory = create()
    leases = Leases(memory)
    os.close(memory)
    daemon, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    done: list[str] = []
    monkeypatch.setattr(lines, "write", lambda _form, said: done.extend(said))
    pauses: list[float] = []

    def leave(place: int) -> None:
        leases.hold(place, NEVER, 0)
        will = worded([], Final("vipd-none"))
        daemon.send(SEPARATOR.join((b"%d" % place, b"vip%d" % place, b"", will)))

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        for place in range(2, 101):
            leave(place)
        daemon.close()

    monkeypatch.setattr(guarding, "sleep", sleep)
    leave(1)
    Guard(end, leases, "text").run()
    end.close()
    assert len(pauses) == 1
    assert len(done) == 100
