"""Health checks, with real programs: what a run says, when it ends, and what a verdict takes."""

import asyncio
import ctypes
import itertools
import os
import pwd
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from errno import EMFILE, ENOSPC
from math import inf
from pathlib import Path

import pytest
from helpers.configured import write_script
from helpers.scenes import have_gone, play, written

from vipd.config.health_fields import Account, Check
from vipd.daemon.base import children
from vipd.daemon.base.background import Background
from vipd.daemon.base.children import Children
from vipd.daemon.health.checks import CheckRunner, Checks, Result
from vipd.daemon.health.judgement import Judgement
from vipd.daemon.health.pool import Pool
from vipd.linux.spawn import Program

#: <sys/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
QUICK = Check("", (), interval=0.1, timeout=0.1, fall=1, rise=1, hold=0)
PATIENT = replace(QUICK, timeout=10.0)


class Stage:
    """A check that runs `body`, and the verdicts that it changed to."""

    def __init__(
        self,
        directory: Path,
        body: str,
        check: Check = PATIENT,
        children: Children | None = None,
    ) -> None:
        self.environment: dict[str, str] = {}
        self.late_at = -inf
        self.checks = Checks(children or Children(adopts=False), lambda: self.late_at)
        command = (str(write_script(directory / "check", body)), "one argument")
        self.verdicts: list[bool | None] = []
        check = replace(check, command=check.command or command)
        self.check = self.checks.make(check, self._changed, lambda: self.environment)

    def _changed(self) -> None:
        self.verdicts.append(self.check.verdict.well)

    async def runs(self, result: Result, times: int = 1) -> None:
        """Wait until so many runs have said this."""
        while self.check.runs[result] < times:
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        self.check.close()
        await self.checks.gone()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody gets into: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


ENDINGS = [
    ("exit 0", Result.OK, "exit status 0"),
    ("echo fine; exit 0", Result.OK, "exit status 0: fine"),
    ("echo busy; exit 75", Result.NONE, "exit status 75: busy"),
    ("exit 1", Result.FAILED, "exit status 1"),
    ("echo one; echo two >&2; echo; exit 3", Result.FAILED, "exit status 3: two"),
    ("printf 'no end of line'; exit 1", Result.FAILED, "exit status 1: no end of line"),
    ("printf '\\033[31mred\\377\\n'; exit 1", Result.FAILED, "exit status 1: �[31mred�"),
    ("kill -TERM $$", Result.FAILED, "ended by SIGTERM"),
    ("exit 200", Result.FAILED, "exit status 200"),
]


@pytest.mark.parametrize(("body", "result", "said"), ENDINGS)
def test_the_exit_status_is_the_result(
    tmp_path: Path, body: str, result: Result, said: str
) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, body)
        stage.check.start()
        await stage.runs(result)
        assert stage.check.last
        assert stage.check.last.said == said
        await stage.end()

    play(act)


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, "head -c 100000 /dev/zero | tr '\\0' x; exit 1")
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert len(stage.check.verdict.said) < 250
        assert stage.check.verdict.said.endswith("x…")
        await stage.end()

    play(act)


def test_one_that_prints_a_lot_is_not_late_for_that(tmp_path: Path) -> None:
    """It would wait for us with a usual pipe: for 16 MB longer than it may take."""

    async def act() -> None:
        stage = Stage(tmp_path, "yes | head -c 16000000; echo last; exit 0")
        stage.check.start()
        await stage.runs(Result.OK)
        assert stage.check.last is not None
        assert stage.check.last.said == "exit status 0: last"
        await stage.end()

    play(act)


def test_what_cannot_be_started_has_failed(tmp_path: Path) -> None:
    async def act() -> None:
        missing = str(tmp_path / "missing")
        stage = Stage(tmp_path, "", replace(PATIENT, command=(missing,)))
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert missing in stage.check.verdict.said
        await stage.end()

    play(act)


def test_what_must_not_run_has_failed_and_is_not_run(tmp_path: Path) -> None:
    async def act() -> None:
        refused = replace(PATIENT, refused="anybody on this host may change it")
        stage = Stage(tmp_path, "exit 0", refused)
        stage.check.start()
        assert stage.check.verdict.well is False
        assert "anybody" in stage.check.verdict.said
        assert stage.check.work is None
        await stage.end()

    play(act)


def test_a_run_over_its_time_is_killed_with_all_it_started_and_the_next_one_starts(
    tmp_path: Path,
) -> None:
    async def act() -> None:
        pids = tmp_path / "pids"
        body = f"trap '' TERM; sleep 1000 & echo $$ $! >>{pids}; wait"
        stage = Stage(tmp_path, body, replace(QUICK, interval=0.5, timeout=0.5))
        stage.check.start()
        await stage.runs(Result.FAILED, 3)
        assert "still ran after 0.5 s" in stage.check.verdict.said
        first, second, *_ = pids.read_text().splitlines()
        await have_gone(*map(int, first.split()), *map(int, second.split()))
        await stage.end()

    play(act)


def test_what_a_run_leaves_in_the_background_is_killed(tmp_path: Path) -> None:
    async def act() -> None:
        left = tmp_path / "left"
        stage = Stage(tmp_path, f"sleep 1000 & echo $! >{left}; exit 0")
        stage.check.start()
        await stage.runs(Result.OK)
        await have_gone(int(left.read_text()))
        await stage.end()

    play(act)


def test_an_end_kills_what_runs(tmp_path: Path) -> None:
    async def act() -> None:
        pids = tmp_path / "pids"
        stage = Stage(tmp_path, f"sleep 1000 & echo $$ $! >{pids}; wait")
        stage.check.start()
        text = await written(pids)
        await stage.end()
        assert stage.check.work
        assert stage.check.work.done()
        await have_gone(*map(int, text.split()))
        assert not stage.verdicts

    play(act)


def test_it_runs_as_its_user_with_its_groups_and_without_descriptors(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid, (nobody.pw_gid,))

    async def act() -> None:
        body = 'echo $(id -u) $(id -g) $(id -G) "$1" $STATE $(cd /proc/self/fd && echo *)'
        held = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(held, True)
        stage = Stage(place, body, replace(PATIENT, account=account))
        stage.environment = {"STATE": "MASTER"}
        stage.check.start()
        await stage.runs(Result.OK)
        assert stage.check.last
        ids = f"{nobody.pw_uid} {nobody.pw_gid} {nobody.pw_gid}"
        said = stage.check.last.said.partition(": ")[2]
        assert said.startswith(f"{ids} one argument MASTER 0 1 2")
        assert str(held) not in said.split("MASTER")[1].split()
        os.close(held)
        await stage.end()

    play(act)


def test_a_program_that_its_user_may_not_run_has_failed(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid, (nobody.pw_gid,))

    async def act() -> None:
        stage = Stage(place, "exit 0", replace(PATIENT, account=account))
        (place / "check").chmod(0o700)
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert "Permission denied" in stage.check.verdict.said
        await stage.end()

    play(act)


_CAPABLE = ("setpriv", "--inh-caps=+net_raw", "--ambient-caps=+net_raw")
_STARTS_BOTH = """
import asyncio
from vipd.daemon.base.children import Children

GREP = "/bin/grep", "CapAmb", "/proc/self/status"

async def script(children):
    child = await children.start(GREP, {}, 10)
    await child.ends_within(10)
    print(int(child.output.split()[1], 16))

async def main():
    children = Children(adopts=False)
    await script(children)
    ended = asyncio.get_running_loop().create_future()
    run = children.attend(children.program(GREP, {}), ended.set_result)
    await ended
    print(int(run.output.split()[1], 16))
    await script(children)

asyncio.run(main())
"""


def test_a_check_has_none_of_our_capabilities() -> None:
    """unprivileged.conf gives vipd ambient ones, which every program inherits."""
    command = [*_CAPABLE, sys.executable, "-c", _STARTS_BOTH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    before, check, after = map(int, done.stdout.split())
    assert before == after != 0
    assert check == 0


def test_without_root_it_says_whom_it_can_run_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with unprivileged.conf; a test as root plays that."""
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    nobody = Account(65534, 65534, ())

    async def act() -> None:
        stage = Stage(tmp_path, "exit 0", replace(QUICK, account=nobody))
        stage.check.start()
        await stage.runs(Result.FAILED, 2)
        assert "vipd runs as user 1234, not as root" in stage.check.verdict.said
        assert "write its own user into CHECK_USER" in stage.check.verdict.said
        await stage.end()

    play(act)


def test_no_other_program_is_loaded_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell in between costs as much again as a small check."""
    loaded = list[str]()
    start = Program.start

    def record(program: Program, files: Mapping[int, int]) -> int:
        loaded.append(program.command[0])
        return start(program, files)

    async def act() -> None:
        monkeypatch.setattr(Program, "start", record)
        stage = Stage(tmp_path, "exit 0")
        stage.check.start()
        await stage.runs(Result.OK)
        assert loaded == [str(tmp_path / "check")]
        await stage.end()

    play(act)


def test_a_script_without_its_first_line_is_run_by_the_shell(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, "")
        (tmp_path / "check").write_text('echo "$0 $1"; exit 3')
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert stage.check.last
        assert stage.check.last.said == f"exit status 3: {tmp_path}/check one argument"
        await stage.end()

    play(act)


def test_what_a_slow_run_prints_is_read_along(tmp_path: Path) -> None:
    async def act() -> None:
        much = "head -c 300000 /dev/zero | tr '\\0' x"  # more than a pipe holds
        stage = Stage(tmp_path, f"echo one; sleep 0.2; {much}; sleep 0.1; echo; echo two; exit 1")
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert stage.check.last
        assert stage.check.last.said == "exit status 1: two"
        await stage.end()

    play(act)


def test_a_run_that_closes_its_output_goes_on(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, "echo one; exec >/dev/null 2>&1; sleep 0.3; exit 1")
        stage.check.start()
        await stage.runs(Result.FAILED)
        assert stage.check.last
        assert stage.check.last.said == "exit status 1: one"
        assert stage.check.last.seconds >= 0.3
        await stage.end()

    play(act)


def test_a_run_whose_end_cannot_be_waited_for_is_killed_and_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_process: int) -> int:
        raise OSError(EMFILE, "Too many open files")

    async def act() -> None:
        stage = Stage(tmp_path, "exec sleep 60")
        before = descriptors()
        with monkeypatch.context() as patched:
            patched.setattr(os, "pidfd_open", refuse)
            stage.check.start()
            await stage.runs(Result.FAILED)
        assert "Too many open files" in stage.check.verdict.said
        await stage.end()
        assert descriptors() <= before + 1  # /dev/null stays open
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)

    play(act)


def test_a_thread_that_ends_too_early_is_noticed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, "exit 0", QUICK)
        with monkeypatch.context() as patched:
            patched.setattr(Background, "hand", lambda *_: None)
            patched.setattr(Background, "lives", False)
            stage.check.start()
            await stage.runs(Result.FAILED, 2)
        assert "a thread ended" in stage.check.verdict.said
        await stage.runs(Result.OK)
        await stage.end()

    play(act)


def test_what_spares_us_when_memory_runs_out_does_not_spare_a_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative score takes a right that not every machine gives to its tests; so another one is
    said to be negative."""
    monkeypatch.setattr(children, "_score", lambda: -1)
    score = Path("/proc/self/oom_score_adj")
    ours = score.read_text()

    async def act() -> None:
        stage = Stage(tmp_path, "sleep 0.2; cat /proc/self/oom_score_adj; exit 0")
        stage.check.start()
        await stage.runs(Result.OK)
        assert stage.check.last
        assert stage.check.last.said == "exit status 0: 0"
        await stage.end()

    score.write_text("10")
    try:
        play(act)
    finally:
        score.write_text(ours)


@pytest.fixture
def adopting() -> Iterator[None]:
    """Orphans become our children, as in a container."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.mark.usefixtures("adopting")
def test_orphans_are_reaped_beside_checks_and_no_result_is_lost(tmp_path: Path) -> None:
    async def act() -> None:
        stage = Stage(tmp_path, "setsid -f sleep 0.05; exit 3", children=Children(adopts=True))
        stage.check.start()
        await stage.runs(Result.FAILED, 5)
        assert stage.check.verdict.said == "exit status 3"
        await stage.end()
        while has_children():
            await asyncio.sleep(0.01)

    play(act)


def test_a_result_that_comes_while_the_loop_is_late_counts_as_none(tmp_path: Path) -> None:
    async def act() -> None:
        begun = tmp_path / "begun"
        stage = Stage(tmp_path, f"echo >{begun}; sleep 0.3; exit 1")
        stage.check.start()
        await written(begun)
        stage.late_at = asyncio.get_running_loop().time()
        await stage.runs(Result.NONE)
        assert stage.check.verdict.well is None
        await stage.runs(Result.FAILED)
        assert stage.verdicts == [False]
        await stage.end()

    play(act)


# ---- verdicts ------------------------------------------------------------------------------------

TIMES = Check("web", ("/bin/true",), fall=3, rise=5, hold=30)


def judged(judgement: Judgement, runs: str, start: float, every: float = 2.0) -> list[bool]:
    """The verdicts that runs bring: `+` is a good one, `-` a failed one."""
    return [
        bool(judgement.well)
        for number, run in enumerate(runs)
        if judgement.add(run == "+", start + number * every)
    ]


def test_the_first_good_run_is_a_verdict_and_the_first_failed_one_is_none() -> None:
    assert judged(Judgement(TIMES, 0), "+", 0) == [True]
    judgement = Judgement(TIMES, 0)
    assert judged(judgement, "--", 0) == []
    assert (judgement.well, judgement.needed) == (None, 1)
    assert judged(judgement, "-", 4) == [False]


def test_only_failures_one_after_the_other_count() -> None:
    judgement = Judgement(TIMES, 0)
    assert judged(judgement, "+--+--+--+", 0) == [True]
    assert judged(judgement, "---", 20) == [False]


def test_recovery_takes_good_runs_and_the_hold() -> None:
    judgement = Judgement(TIMES, 0)
    assert judged(judgement, "+---", 0) == [True, False]
    assert judgement.held_until == 36.0
    assert judged(judgement, "+++++++++++++", 8) == []  # until 32
    assert judgement.needed == 0
    assert judged(judgement, "+++", 34) == [True]
    assert judgement.since == 36.0


def test_a_failure_among_the_good_runs_begins_the_count_anew() -> None:
    judgement = Judgement(replace(TIMES, hold=0), 0)
    assert judged(judgement, "---++++-++++", 0) == [False]
    assert judged(judgement, "+", 24) == [True]


def test_who_fails_again_soon_is_held_twice_as_long_up_to_600_s() -> None:
    check = replace(TIMES, fall=1, rise=1)
    judgement, now, holds = Judgement(check, 0), 0.0, []
    for _ in range(7):
        judgement.add(False, now)
        holds.append(judgement.held_until - now)
        now = judgement.held_until
        judgement.add(True, now)
        now += 299
    assert holds == [30, 60, 120, 240, 480, 600, 600]
    judgement.add(False, now + 1)
    assert judgement.held_until - (now + 1) == 30


@pytest.mark.parametrize(("hold", "until"), [(30, 34.0), (60, 34.0), (10, 14.0), (0, 4.0)], ids=str)
def test_other_times_do_not_end_what_was_found(hold: int, until: float) -> None:
    """Neither a hold nor the good runs that are needed: a reload is no recovery."""
    before = Judgement(TIMES, 0)
    assert judged(before, "+--", 0) == [True]
    after = Judgement(replace(TIMES, interval=1.0, rise=4, hold=hold), 4)
    after.resume(before)
    assert (after.well, after.since, after.needed) == (True, 0.0, 1)
    assert judged(after, "-", 4) == [False]
    assert after.held_until == 4.0 + hold
    before = Judgement(TIMES, 0)
    assert judged(before, "---+", 0) == [False]
    after = Judgement(replace(TIMES, interval=1.0, rise=4, hold=hold), 8)
    after.resume(before)
    assert (after.well, after.since, after.held_until, after.needed) == (False, 4.0, until, 3)
    assert judged(after, "++", 8) == []
    assert judged(after, "+", until) == [True]


# ---- sharing -------------------------------------------------------------------------------------


class Vip:
    """A member that has these variables. ``asked``: how often somebody wanted them."""

    def __init__(self, **variables: str) -> None:
        self.variables = variables
        self.changes = self.asked = 0

    def environment(self) -> dict[str, str]:
        self.asked += 1
        return self.variables

    def verdict_changed(self) -> None:
        self.changes += 1


def test_a_check_goes_on_after_a_run_that_no_memory_was_left_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = threading.Event()
    short.set()

    start = Program.start

    def fail_first(program: Program, files: Mapping[int, int]) -> int:
        if short.is_set():
            raise MemoryError("none")
        return start(program, files)

    async def act() -> None:
        monkeypatch.setattr(Program, "start", fail_first)
        stage = Stage(tmp_path, "exit 0")
        stage.check.start()
        await stage.runs(Result.FAILED, 2)
        short.clear()
        await stage.runs(Result.OK)
        assert stage.verdicts == [False, True]
        await stage.end()

    play(act)


def test_a_program_whose_end_cannot_be_waited_for_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act() -> None:
        def refuse(*_: object) -> None:
            raise OSError(ENOSPC, "no watch is left")

        ours, before = Children(adopts=False), descriptors()
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "add_reader", refuse)
            with pytest.raises(OSError, match="no watch is left"):
                await ours.start(["/bin/sleep", "60"], {}, 30.0)
        assert descriptors() == before
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)

    play(act)


def has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_equal_checks_of_255_vips_run_once_and_tell_all(tmp_path: Path) -> None:
    async def act() -> None:
        runs = tmp_path / "runs"
        path = write_script(tmp_path / "check", f'echo "$ID $INTERFACE $STATE" >>{runs}; exit 1')
        checks = Checks(Children(adopts=False), lambda: -inf)
        pool = Pool({Check: checks.make})
        vips = [Vip(ID=f"{n:03}", INTERFACE="eth1", STATE="BACKUP") for n in range(1, 256)]
        vips[99].variables["STATE"] = "MASTER"
        three = [replace(PATIENT, command=(str(path), name)) for name in "abc"]
        sources = [pool.join(each, vip) for each in three for vip in vips]
        assert len({id(source) for source in sources}) == 3
        assert [pool.members(each) for each in three] == [255, 255, 255]
        while not all(vip.changes == 3 for vip in vips):
            await asyncio.sleep(0.01)
        assert set(runs.read_text().splitlines()) == {" eth1 MASTER"}
        assert {vip.asked for vip in vips} == {3}, "not at each run"
        vips[99].variables["STATE"] = "BACKUP"
        vips[7].variables["INTERFACE"] = "eth2"
        pool.changed(three)
        while runs.read_text().splitlines()[-1] != "  BACKUP":
            await asyncio.sleep(0.01)
        for each in three:
            for vip in vips:
                pool.leave(each, vip)
        assert [pool.members(each) for each in three] == [0, 0, 0]
        await checks.gone()

    play(act)


def test_a_source_goes_on_from_one_that_asked_the_same_at_other_times(tmp_path: Path) -> None:
    """Also one that others use already, if it has found nothing yet: they are told."""

    async def act() -> None:
        path = write_script(tmp_path / "check", "exit 1")
        checks = Checks(Children(adopts=False), lambda: -inf)
        pool = Pool({Check: checks.make})
        first, second = Vip(), Vip()
        old = replace(PATIENT, command=(str(path),))
        before = pool.join(old, first)
        while not first.changes:
            await asyncio.sleep(0.01)
        write_script(tmp_path / "check", "exit 75")
        new = replace(old, rise=100)
        shared = pool.join(new, second)
        assert (shared.verdict.well, second.changes) == (None, 0)
        assert pool.join(new, first, before) is shared
        assert shared.verdict == before.verdict
        assert shared.verdict.well is False
        assert (first.changes, second.changes) == (1, 1)
        other = pool.join(replace(old, rise=99), first, before)
        assert other.verdict == before.verdict
        assert first.changes == 1, "it looks by itself"
        for setting, vip in (
            (old, first),
            (new, first),
            (new, second),
            (replace(old, rise=99), first),
        ):
            pool.leave(setting, vip)
        await checks.gone()

    play(act)


@pytest.mark.parametrize("interval", [10.0, 3600.0])
def test_checks_are_spread_over_their_interval_but_none_begins_late(interval: float) -> None:
    async def act() -> None:
        checks = Checks(Children(adopts=False), lambda: -inf)
        made: list[CheckRunner] = [
            checks.make(replace(TIMES, interval=interval), lambda: None, dict) for _ in range(20)
        ]
        phases = sorted(each.phase for each in made)
        assert phases[0] == 0
        gaps = [later - earlier for earlier, later in itertools.pairwise(phases)]
        assert max(gaps) < 1.0
        assert phases[-1] < 10

    play(act)
