"""TRACK_FILE: what is in a file, wherever it is and however it gets there."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from helpers.hanging import hang

from health.witness import Witness, play
from vipd.daemon.health import track_file
from vipd.daemon.health.track_file import TrackedFiles, TrackFile
from vipd.lab import Host

Story = Callable[[Witness], Awaitable[None]]


def tell(path: Path, story: Story) -> Witness:
    """The story of one tracked file."""

    def make(loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> TrackFile:
        return TrackFile(str(path), TrackedFiles(loop), loop, changed)

    return play(make, story)


@pytest.fixture
def drain(tmp_path: Path) -> Path:
    return tmp_path / "drain"


@pytest.fixture
def never_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen is seen by notice."""
    monkeypatch.setattr(track_file, "POLLING", 1000.0)


@pytest.mark.usefixtures("never_polled")
@pytest.mark.parametrize("content", ["1", "deploying 4.2\nby web\n", " 00 ", "\x1b[2J", "x" * 9000])
def test_a_file_that_says_something_is_not_well(drain: Path, content: str) -> None:
    async def story(seen: Witness) -> None:
        await seen.sees(True)
        drain.write_text(content)
        verdict = await seen.sees(False, "says “")
        assert verdict.said.isprintable()
        assert verdict.ends == "when the file is gone, empty or 0"
        assert len(verdict.said) < len(str(drain)) + 100
        drain.unlink()
        assert (await seen.sees(True)).said == ""

    tell(drain, story)


@pytest.mark.usefixtures("never_polled")
@pytest.mark.parametrize("content", ["", "0", "0\n", " \n"])
def test_an_empty_file_or_a_0_is_well(drain: Path, content: str) -> None:
    drain.write_text("1")

    async def story(seen: Witness) -> None:
        await seen.sees(False, "says “1”")
        drain.write_text(content)
        await seen.sees(True)

    tell(drain, story)


@pytest.mark.usefixtures("never_polled")
def test_its_directory_may_come_later_and_the_file_by_a_rename(tmp_path: Path) -> None:
    drain = tmp_path / "not" / "yet" / "drain"

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        drain.parent.mkdir(parents=True)
        new = drain.with_suffix(".new")
        for text in ("first", "second"):
            new.write_text(text)
            new.rename(drain)
            await seen.sees(False, f"says “{text}”")
        drain.parent.rename(tmp_path / "not" / "now")
        await seen.sees(True)

    tell(drain, story)


@pytest.mark.usefixtures("never_polled")
def test_a_link_that_is_swapped_leads_to_another_file(tmp_path: Path, drain: Path) -> None:
    for number in "12":
        (tmp_path / number).write_text(number)
    drain.symlink_to("1")

    async def story(seen: Witness) -> None:
        await seen.sees(False, "says “1”")
        new = tmp_path / "link"
        new.symlink_to("2")
        new.rename(drain)
        await seen.sees(False, "says “2”")

    tell(drain, story)


def test_without_notices_it_is_polled(tmp_path: Path) -> None:
    """A bind mount over a directory hides the file: inotify does not tell."""
    here, other = tmp_path / "here", tmp_path / "other"
    for directory in (here, other):
        directory.mkdir()
    (other / "drain").write_text("1")

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        subprocess.run(["mount", "--bind", other, here], check=True)
        try:
            await seen.sees(False, "says “1”")
        finally:
            subprocess.run(["umount", here], check=True)
        await seen.sees(True)

    tell(here / "drain", story)


def test_a_fifo_does_not_hold_it(drain: Path) -> None:
    os.mkfifo(drain)

    async def story(seen: Witness) -> None:
        await seen.sees(True)

    tell(drain, story)


def test_what_cannot_be_read_leaves_the_verdict_as_it_is(drain: Path) -> None:
    drain.write_text("1")

    async def story(seen: Witness) -> None:
        await seen.sees(False, "says “1”")
        drain.unlink()
        drain.mkdir()
        await seen.sees(False, "cannot be read: Is a directory")
        drain.rmdir()
        await seen.sees(True)

    tell(drain, story)


@pytest.mark.lab
def test_a_disk_that_hangs_is_waited_for_by_nobody(
    web01: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_file, "HANGS", 0.5)
    server = hang(web01, tmp_path / "mount")
    hung = Path(f"/proc/{server.pid}/root{tmp_path}/mount/drain")
    good = tmp_path / "drain"

    async def run() -> None:
        loop = asyncio.get_running_loop()
        files = TrackedFiles(loop)
        first = Witness(partial(TrackFile, str(hung), files))
        second = Witness(partial(TrackFile, str(good), files))
        for each in (first, second):
            each.source.start()
        await first.sees(None, "its file system hangs")
        await second.sees(True)
        good.write_text("1")
        await second.sees(False)
        server.kill()  # and the file is not there any more
        await first.sees(True)
        for each in (first, second):
            each.source.close()
        await files.closed()

    asyncio.run(run())


def test_many_share_one_watch(tmp_path: Path) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        files = TrackedFiles(loop)
        seen = [Witness(partial(TrackFile, f"{tmp_path}/{n}", files)) for n in range(5)]
        for each in seen:
            each.source.start()
        for number, each in enumerate(seen):
            await each.sees(True)
            (tmp_path / str(number)).write_text("1")
            await each.sees(False)
        seen[0].source.close()
        (tmp_path / "1").unlink()
        await seen[1].sees(True)
        assert seen[0].now.well is False
        for each in seen[1:]:
            each.source.close()
        await files.closed()

    asyncio.run(run())
