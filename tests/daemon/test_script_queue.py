"""The queue of one VIP's scripts, with real scripts and short patience."""

import asyncio
import errno
import logging
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.configured import write_script
from helpers.scenes import exists, gone, play

from vipd.daemon.base import children, program
from vipd.daemon.base.children import Children
from vipd.daemon.base.program import Job
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips import scripts
from vipd.daemon.vips.scripts import Outcome, Scripts, Wanted
from vipd.lab.waiting import wait_until

UP, DOWN = Wanted.UP, Wanted.DOWN

pytestmark = pytest.mark.usefixtures("log_propagates")


class Stage:
    """A queue for the scripts `up` and `down`, what became of them, and what was logged."""

    def __init__(self, directory: Path, up: str, down: str = "exit 0") -> None:
        self.commands = {
            UP: [str(write_script(directory / "up", up)), "eth1"],
            DOWN: [str(write_script(directory / "down", down)), "eth1"],
        }
        self.timeout = 30.0
        self.outcomes: list[Outcome] = []
        self.queue = Scripts(self.outcomes.append, VipLog("001"), Children(adopts=False))

    def want(self, wanted: Wanted) -> None:
        self.queue.want(wanted, Job(self.commands[wanted], {}, self.timeout))

    @property
    def ended(self) -> list[tuple[Wanted, int | None]]:
        return [(outcome.wanted, outcome.status) for outcome in self.outcomes]


@pytest.mark.parametrize(
    ("wanted_meanwhile", "run"),
    [
        ([], [UP]),
        ([DOWN], [UP, DOWN]),
        ([DOWN, UP], [UP]),
        ([UP], [UP]),
        ([DOWN, UP, DOWN], [UP, DOWN]),
        ([DOWN, DOWN], [UP, DOWN]),
    ],
)
def test_of_what_is_asked_for_while_a_script_runs_only_the_last_counts(
    tmp_path: Path, wanted_meanwhile: list[Wanted], run: list[Wanted]
) -> None:
    gate = tmp_path / "gate"
    stage = Stage(tmp_path, f"touch {tmp_path}/here; while [ ! -e {gate} ]; do sleep 0.01; done")

    async def scene() -> None:
        stage.want(UP)
        await exists(tmp_path / "here")
        for wanted in wanted_meanwhile:
            stage.want(wanted)
        gate.touch()
        await stage.queue.idle()

    play(scene)
    assert stage.ended == [(wanted, 0) for wanted in run]


def test_a_queue_that_was_idle_runs_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "exit 0")

    async def scene() -> None:
        for wanted in (UP, UP, DOWN):
            stage.want(wanted)
            await stage.queue.idle()

    play(scene)
    assert stage.ended == [(UP, 0), (UP, 0), (DOWN, 0)]


def test_a_script_that_hangs_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(program, "MERCY", 0.3)
    pids = tmp_path / "pids"
    stage = Stage(tmp_path, f"trap '' TERM\nsleep 1000 &\necho $$ $! >{pids}\nwait\nsleep 1000")
    stage.timeout = 2.0

    async def scene() -> None:
        stage.want(UP)
        stage.want(DOWN)
        stage.want(UP)
        await stage.queue.idle()

    started = time.monotonic()
    play(scene)
    assert time.monotonic() - started < 15
    assert stage.ended == [(UP, -9)]
    wait_until(  # the kernel kills a group one process after the other
        lambda: all(gone(int(pid)) for pid in pids.read_text().split()) or None,
        timeout=60,
        complaint=lambda: f"one of {pids.read_text()} lives on",
    )
    assert "upscript still runs after 2 s: SIGTERM to its process group" in caplog.text
    assert "upscript still runs after 0.3 s: SIGKILL to its process group" in caplog.text
    assert stage.outcomes[0].trouble == "upscript failed: ended by SIGKILL"


def test_a_script_that_hangs_but_obeys_gets_no_sigkill(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, "exec sleep 1000")
    stage.timeout = 0.3

    async def scene() -> None:
        stage.want(UP)
        await stage.queue.idle()

    play(scene)
    assert stage.ended == [(UP, -15)]
    assert "SIGKILL" not in caplog.text
    assert stage.outcomes[0].trouble == "upscript failed: ended by SIGTERM"


def test_what_a_script_leaves_in_the_background_does_not_hold_the_queue_up(
    tmp_path: Path,
) -> None:
    pid = tmp_path / "pid"
    stage = Stage(tmp_path, f"sleep 1000 & echo $! >{pid}; echo said")

    async def scene() -> None:
        stage.want(UP)
        await stage.queue.idle()

    try:
        play(scene)
        assert stage.ended == [(UP, 0)]
        assert not gone(int(pid.read_text()))  # it is the script's own business
    finally:
        os.kill(int(pid.read_text()), 9)


def test_a_flood_of_output_is_cut_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' '\\377'; echo; echo last words")

    async def scene() -> None:
        stage.want(UP)
        await stage.queue.idle()

    play(scene)
    assert stage.ended == [(UP, 0)]
    assert "upscript: last words" in caplog.text
    assert len(caplog.text) < 10_000


def test_a_script_that_cannot_be_started_is_an_outcome_too(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "exit 0")
    (tmp_path / "up").chmod(0o644)

    async def scene() -> None:
        stage.want(UP)
        await stage.queue.idle()
        stage.want(DOWN)
        await stage.queue.idle()

    play(scene)
    assert stage.ended == [(UP, None), (DOWN, 0)]
    assert stage.outcomes[0].trouble.startswith("cannot run upscript: ")
    assert stage.outcomes[1].trouble == ""


def test_scripts_get_no_descriptor_of_ours_and_nothing_to_read(tmp_path: Path) -> None:
    listing = tmp_path / "listing"
    stage = Stage(tmp_path, f"ls -l /proc/self/fd >{listing}; cat")

    async def scene() -> None:
        stage.want(UP)
        await stage.queue.idle()

    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        play(scene)
    assert stage.ended == [(UP, 0)]  # cat came to an end
    assert "listing" in listing.read_text()
    assert not {"secret", "socket:", "anon_inode:"} & set(
        re.findall(r"[\w:]+", listing.read_text())
    )


def test_a_shell_that_cannot_have_somebody_read_what_is_left_behind_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one does that cannot fork."""
    monkeypatch.setattr(children, "_DRAIN", "exit 2")

    async def scene() -> None:
        reader, writer = os.pipe()
        await Children(adopts=False).drain(reader)
        os.close(writer)

    play(scene)
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "/bin/sh ended with status 2" in record.getMessage()


def short_of_descriptors(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The next scripts cannot be started, so many of them."""
    left = [OSError(errno.EMFILE, "Too many open files")] * times
    start = Children.start

    async def start_or_not(self: Children, *words: Any, **how: Any) -> children.Child:
        if left:
            raise left.pop()
        return await start(self, *words, **how)

    monkeypatch.setattr(Children, "start", start_or_not)
    monkeypatch.setattr(scripts, "_AGAIN", 0.02)


def test_a_downscript_that_could_not_be_started_for_a_moment_is_run_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, "exit 0")
        short_of_descriptors(monkeypatch, 3)
        stage.want(DOWN)
        await stage.queue.idle()
        assert stage.ended == [(DOWN, None)]
        while len(stage.outcomes) < 2:
            await asyncio.sleep(0.01)
        assert stage.ended == [(DOWN, None), (DOWN, 0)]
        assert stage.outcomes[0].trouble == "cannot run downscript now: Too many open files"

    play(scene)


def test_it_is_not_run_later_when_the_other_state_is_wanted_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, "exit 0")
        short_of_descriptors(monkeypatch, 1)
        stage.want(DOWN)
        await stage.queue.idle()
        stage.want(UP)
        await stage.queue.idle()
        await asyncio.sleep(0.1)
        assert stage.ended == [(DOWN, None), (UP, 0)]

    play(scene)
