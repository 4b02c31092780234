"""NOTIFY's queues, with real programs and short patience."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers.configured import write_script
from helpers.scenes import exists, gone, play

from vipd.daemon.base import program
from vipd.daemon.base.children import Children
from vipd.daemon.base.program import Ended, Job
from vipd.daemon.events.tally import Tally
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips import notifier
from vipd.daemon.vips.notifier import WAITING, Notifier
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.usefixtures("log_propagates")


class Stage:
    """A notifier, and what became of what it was told."""

    def __init__(self, timeout: float = 30.0) -> None:
        self.timeout = timeout
        self.tally = Tally()
        self.notifier = Notifier(Children(adopts=False), self.tally)
        self.ended: list[tuple[str, Ended, int]] = []
        self.behind: list[str] = []

    def tell(self, vip: str, *command: str | Path) -> "Told":
        told = Told(self, vip, [str(word) for word in command])
        self.notifier.tell(vip, told)
        return told

    async def quiet(self, count: int) -> None:
        """Wait until so many have ended."""
        while len(self.ended) < count:
            await asyncio.sleep(0.01)


class Told:
    """One notification of a VIP: a command, which gets LOST."""

    def __init__(self, stage: Stage, vip: str, command: Sequence[str]) -> None:
        self.log = VipLog(vip)
        self.command = command
        self._stage = stage
        self._vip = vip

    def job(self, lost: int) -> Job:
        return Job(self.command, {"LOST": str(lost)}, self._stage.timeout)

    def delivered(self, ended: Ended, lost: int) -> None:
        self._stage.ended.append((self._vip, ended, lost))

    def falls_behind(self) -> None:
        self._stage.behind.append(self._vip)


def until_gone(pids: list[str]) -> None:
    wait_until(
        lambda: all(gone(int(pid)) for pid in pids) or None,
        timeout=60,
        complaint=lambda: f"one of {pids} lives on",
    )


def test_a_vip_is_told_in_order_and_one_at_a_time(tmp_path: Path) -> None:
    lock, said = tmp_path / "lock", tmp_path / "said"
    script = write_script(
        tmp_path / "notify",
        f'mkdir {lock} || echo TWO >>{said}; echo "$1 $LOST" >>{said}; rmdir {lock}',
    )

    async def scene() -> None:
        stage = Stage()
        for number in range(WAITING):
            stage.tell("001", script, str(number))
        await stage.quiet(WAITING)
        assert stage.tally.vips["001"].scripts == {"notify": WAITING}
        assert stage.tally.vips["001"].failed_scripts["notify"] == 0

    play(scene)
    assert said.read_text().splitlines() == [f"{number} 0" for number in range(WAITING)]


def test_a_flood_loses_the_oldest_and_the_next_program_is_told_how_many(tmp_path: Path) -> None:
    gate, begun, said = tmp_path / "gate", tmp_path / "begun", tmp_path / "said"
    script = write_script(
        tmp_path / "notify",
        f'touch {begun}; while [ ! -e {gate} ]; do sleep 0.01; done; echo "$1 $LOST" >>{said}',
    )

    async def scene() -> None:
        stage = Stage()
        stage.tell("001", script, "first")
        await exists(begun)
        for number in range(1000):
            stage.tell("001", script, str(number))
        gate.touch()
        await stage.quiet(1 + WAITING)
        lost = 1000 - WAITING
        assert [each[2] for each in stage.ended] == [0, lost, *[0] * (WAITING - 1)]
        assert stage.behind == ["001"]
        assert stage.tally.vips["001"].lost_notifications == lost

    play(scene)
    first, *others = said.read_text().splitlines()
    assert first == "first 0"
    assert others[0] == f"{1000 - WAITING} {1000 - WAITING}"
    assert others[1:] == [f"{number} 0" for number in range(1001 - WAITING, 1000)]


def test_a_program_that_hangs_delays_its_own_vip_only_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(program, "MERCY", 0.3)
    pids = tmp_path / "pids"
    hangs = write_script(
        tmp_path / "hangs", f"trap '' TERM; sleep 1000 & echo $$ $! >{pids}; wait; sleep 1000"
    )

    async def scene() -> None:
        stage = Stage(timeout=3.0)
        stage.tell("001", hangs)
        stage.tell("001", "/bin/true")
        await exists(pids)
        stage.tell("002", "/bin/true")
        await stage.quiet(1)
        assert [each[0] for each in stage.ended] == ["002"]
        await stage.quiet(3)
        assert [each[0] for each in stage.ended] == ["002", "001", "001"]
        assert [each[1].status for each in stage.ended] == [0, -9, 0]

    play(scene)
    until_gone(pids.read_text().split())
    assert "notify still runs after 3 s: SIGTERM to its process group" in caplog.text


def test_programs_of_many_vips_that_hang_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_BRIEF", 0.5)
    monkeypatch.setattr(notifier, "_AT_ONCE", 3)
    monkeypatch.setattr(notifier, "_AT_MOST", 7)
    monkeypatch.setattr(notifier, "_PATIENCE", 0.1)
    begun = tmp_path / "begun"
    hangs = write_script(tmp_path / "hangs", f"echo $$ >>{begun}; exec sleep 1000")

    def pids() -> list[str]:
        return begun.read_text().split() if begun.exists() else []

    async def scene() -> None:
        stage = Stage()
        for number in range(30):
            stage.tell(f"{number:03}", hangs)
        while len(pids()) < 7:  # more than run at once if none hangs
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.5)
        assert len(pids()) == 7
        await stage.notifier.close()

    play(scene)
    until_gone(pids())


def test_a_program_that_takes_long_makes_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_BRIEF", 0.3)
    monkeypatch.setattr(notifier, "_AT_ONCE", 1)
    gate = tmp_path / "gate"
    slow = write_script(tmp_path / "slow", f"while [ ! -e {gate} ]; do sleep 0.01; done")

    async def scene() -> None:
        stage = Stage()
        stage.tell("001", slow)
        await asyncio.sleep(0.1)
        stage.tell("002", "/bin/true")
        await stage.quiet(1)
        assert stage.ended[0][0] == "002"
        gate.touch()
        await stage.quiet(2)

    play(scene)


def test_what_a_program_starts_ends_with_it_even_if_it_never_stops_forking(tmp_path: Path) -> None:
    """Each process of it starts the next one, and ends: there is never one to wait for."""
    said = tmp_path / "said"
    comet = write_script(tmp_path / "comet", f'echo . >>{said}\nsleep 1000 &\n"$0" &')

    async def scene() -> None:
        stage = Stage()
        stage.tell("001", comet)
        stage.tell("001", "/bin/true")
        await stage.quiet(2)
        assert [each[1].status for each in stage.ended] == [0, 0]

    play(scene)
    size = -1
    for _ in range(100):  # the kernel kills a group one process after the other
        size, before = len(said.read_text()), size
        if size == before:
            break
        time.sleep(0.3)
    assert len(said.read_text()) == size


def test_a_flood_of_output_costs_nothing_and_its_last_line_is_kept(tmp_path: Path) -> None:
    script = write_script(
        tmp_path / "notify",
        "head -c 3000000 /dev/zero | tr '\\0' '\\377'; echo; printf 'no \\033[31mroute\\n'; exit 3",
    )

    async def scene() -> None:
        stage = Stage()
        stage.tell("001", script)
        await stage.quiet(1)
        ended = stage.ended[0][1]
        assert (ended.status, ended.trouble) == (3, "notify failed: exit status 3")
        assert ended.said == "no \N{REPLACEMENT CHARACTER}[31mroute"
        assert stage.tally.vips["001"].failed_scripts == {"notify": 1}

    play(scene)


def test_a_program_that_cannot_be_started_keeps_none_of_the_others_from_it(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage()
        stage.tell("001", tmp_path / "missing")
        stage.tell("001", "/bin/true")
        await stage.quiet(2)
        missing, true = (each[1] for each in stage.ended)
        assert missing.status is None
        assert missing.trouble.startswith("cannot run notify: ")
        assert true.status == 0

    play(scene)


def test_the_program_is_that_of_the_time_of_its_start_and_none_means_no_more(
    tmp_path: Path,
) -> None:
    gate, said = tmp_path / "gate", tmp_path / "said"
    waits = write_script(tmp_path / "waits", f"while [ ! -e {gate} ]; do sleep 0.01; done")
    says = write_script(tmp_path / "says", f"echo $1 >>{said}")

    async def scene() -> None:
        stage = Stage()
        stage.tell("001", waits)
        second, third = stage.tell("001", "/bin/true"), stage.tell("001", "/bin/true")
        second.command, third.command = (), (str(says), "third")
        gate.touch()
        await stage.quiet(2)

    play(scene)
    assert said.read_text() == "third\n"


def test_at_the_end_what_waits_is_delivered(tmp_path: Path) -> None:
    said = tmp_path / "said"
    says = write_script(tmp_path / "says", f"echo $1 >>{said}")

    async def scene() -> None:
        stage = Stage()
        for number in range(5):
            stage.tell("001", says, str(number))
        await stage.notifier.close()

    play(scene)
    assert said.read_text().split() == list("01234")


def test_at_the_end_what_hangs_is_killed_and_the_rest_is_dropped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notifier, "_PATIENCE", 1.0)
    pids = tmp_path / "pids"
    hangs = write_script(tmp_path / "hangs", f"sleep 1000 & echo $$ $! >{pids}; wait")

    async def scene() -> None:
        stage = Stage()
        for _ in range(4):
            stage.tell("001", hangs)
        await exists(pids)
        await stage.notifier.close()

    play(scene)
    until_gone(pids.read_text().split())
    said = "vipd ends: kills NOTIFY of 1 VIPs, which takes longer than 1 s, and drops 3 notif"
    assert said in caplog.text
