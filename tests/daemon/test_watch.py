"""Every way in which files change is told, once it has settled; and nothing else is.

Real files and the real inotify. What counts is the state that the last call finds: when a change is
told before it is complete, another call has to follow.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from watchdog.events import FileSystemEvent
from watchdog.observers.inotify import InotifyObserver

from vipd.daemon.files import watch as watching
from vipd.daemon.files.watch import SETTLED, Watch
from vipd.lab.waiting import wait_until

PATIENCE = 20.0
"""Seconds that a machine may take which has other things to do."""


class Witness:
    """Notes what it finds in one file whenever it is told of a change; None: no such file."""

    def __init__(self, directory: Path, file: Path) -> None:
        self.file = file
        self.found: list[str | None] = []
        self.called = asyncio.Event()
        self.watch = Watch(asyncio.get_running_loop(), directory, self._changed)

    def _changed(self) -> None:
        self.found.append(self.look())
        self.called.set()
        # As the daemon does: after each look at the files they are followed anew.
        self.watch.follow([str(self.file)])

    def look(self) -> str | None:
        try:
            return self.file.read_text()
        except OSError:
            return None

    async def finds(self, text: str | None) -> None:
        """Wait until a call has found this text."""
        async with asyncio.timeout(PATIENCE):
            while not self.found or self.found[-1] != text:
                self.called.clear()
                await self.called.wait()

    async def told(self) -> None:
        """Wait for the next call."""
        self.called.clear()
        async with asyncio.timeout(PATIENCE):
            await self.called.wait()

    async def calm(self) -> None:
        await calm(self.watch, self.found)


async def calm(watch: Watch, told: list[Any]) -> None:
    """Wait until its watches are placed and nothing is told any more, and forget what was."""

    def places() -> bool:
        return watch._placing is not None and not watch._placing.done()

    async with asyncio.timeout(PATIENCE):
        while True:
            before = len(told)
            while places():
                await asyncio.sleep(0.01)
            await asyncio.sleep(4 * SETTLED)  # events may be half a second old
            if len(told) == before and not places():
                break
    told.clear()


def witness(directory: Path, file: Path, story: Callable[[Witness], Awaitable[None]]) -> None:
    """Tell the story of a directory and one file, and close the watch after it."""

    async def run() -> None:
        seer = Witness(directory, file)
        try:
            seer.watch.follow([str(file)])
            await seer.calm()
            await story(seer)
        finally:
            await seer.watch.close()

    asyncio.run(run())


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A directory that holds vip-001.conf, which says “old”."""
    directory = tmp_path / "etc" / "ucarp"
    directory.mkdir(parents=True)
    (directory / "vip-001.conf").write_text("old")
    return directory


# ---- one file is changed -------------------------------------------------------------------------


def in_place(file: Path) -> None:
    file.write_text("new")


def in_place_without_truncating(file: Path) -> None:
    with file.open("r+") as stream:
        stream.write("new")


def as_vim(file: Path) -> None:
    """Probe for the right to create files, keep a backup, write a new file, remove the backup."""
    probe = file.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = file.with_name(file.name + "~")
    file.rename(backup)
    file.write_text("new")
    backup.unlink()


def renamed_over(file: Path) -> None:
    other = file.with_name(".new")
    other.write_text("new")
    other.replace(file)


def renamed_over_from_elsewhere(file: Path) -> None:
    other = file.parents[2] / "new"
    other.write_text("new")
    other.replace(file)


def sed(file: Path) -> None:
    subprocess.run(["sed", "-i", "s/old/new/", str(file)], check=True)


def installed(file: Path) -> None:
    other = file.parents[2] / "other"
    other.write_text("new")
    subprocess.run(["install", "-m", "600", str(other), str(file)], check=True)


def removed_and_created(file: Path) -> None:
    file.unlink()
    file.write_text("new")


def linked_over(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("new")
    file.unlink()
    file.hardlink_to(other)


def a_link_instead(file: Path) -> None:
    other = file.parents[2] / "other"
    other.write_text("new")
    file.unlink()
    file.symlink_to(other)


WAYS = [
    in_place, in_place_without_truncating, as_vim, renamed_over, renamed_over_from_elsewhere, sed,
    installed, removed_and_created, linked_over, a_link_instead,
]  # fmt: skip


@pytest.mark.parametrize("change", WAYS)
def test_a_file_is_changed(etc: Path, change: Callable[[Path], None]) -> None:
    async def story(seer: Witness) -> None:
        change(seer.file)
        await seer.finds("new")

    witness(etc, etc / "vip-001.conf", story)


@pytest.mark.parametrize("change", WAYS)
def test_a_password_file_elsewhere_is_changed(
    etc: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    secret = tmp_path / "private" / "deep" / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("old")

    async def story(seer: Witness) -> None:
        change(seer.file)
        await seer.finds("new")

    witness(etc, secret, story)


def test_a_file_comes_and_goes(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        seer.file.write_text("new")
        await seer.finds("new")
        seer.file.rename(seer.file.parents[2] / "away")
        await seer.finds(None)
        (seer.file.parents[2] / "away").rename(seer.file)
        await seer.finds("new")
        seer.file.unlink()
        await seer.finds(None)

    witness(etc, etc / "vip-002.conf", story)


def test_a_file_that_is_created_and_written_slowly_is_one_change(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(seer: Witness) -> None:
        monkeypatch.setattr(watching, "SETTLED", 2.0)
        monkeypatch.setattr(watching, "LONGEST", 60.0)
        with seer.file.open("w") as secret:
            for _ in range(25):
                secret.write("x")
                secret.flush()
                await asyncio.sleep(0.1)
        await seer.finds("x" * 25)
        assert seer.found == ["x" * 25]

    witness(etc, tmp_path / "secret", story)


def test_a_password_file_whose_directory_is_missing_is_waited_for(
    etc: Path, tmp_path: Path
) -> None:
    async def story(seer: Witness) -> None:
        seer.file.parent.mkdir(parents=True)
        await seer.told()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(etc, tmp_path / "not" / "there" / "secret", story)


def test_mode_and_owner_count(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        seer.file.chmod(0o600)
        await seer.told()
        if os.getuid() == 0:
            await seer.calm()
            os.chown(seer.file, 65534, 65534)
            await seer.told()

    witness(etc, etc / "vip-001.conf", story)


def test_a_file_whose_name_is_no_text(etc: Path, tmp_path: Path) -> None:
    async def story(seer: Witness) -> None:
        seer.file.write_text("new")
        await seer.finds("new")

    (tmp_path / "\udcff").mkdir()
    witness(etc, tmp_path / "\udcff" / "\udcfe", story)


# ---- links ---------------------------------------------------------------------------------------


def point(link: Path, target: str) -> None:
    """Let a link lead elsewhere, without a moment in which there is none (ln -sfn, mv -T)."""
    new = link.with_name("..new")
    new.symlink_to(target)
    new.replace(link)


def test_a_linked_file_is_followed_to_where_it_is(etc: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "a").write_text("old")
    (store / "b").write_text("other")
    (etc / "vip-002.conf").symlink_to("../../store/a")

    async def story(seer: Witness) -> None:
        (store / "a").write_text("new")
        await seer.finds("new")
        point(seer.file, "../../store/b")
        await seer.finds("other")
        renamed_over(store / "b")
        await seer.finds("new")
        (store / "b").unlink()
        await seer.finds(None)
        (store / "b").write_text("back")
        await seer.finds("back")

    witness(etc, etc / "vip-002.conf", story)


def test_links_in_the_middle_are_swapped_as_kubernetes_does(etc: Path) -> None:
    for name, text in (("..1", "old"), ("..2", "new")):
        (etc / name).mkdir()
        (etc / name / "vip-002.conf").write_text(text)
    (etc / "..data").symlink_to("..1")
    (etc / "vip-002.conf").symlink_to("..data/vip-002.conf")

    async def story(seer: Witness) -> None:
        point(etc / "..data", "..2")
        shutil.rmtree(etc / "..1")
        await seer.finds("new")
        (etc / "..2" / "vip-002.conf").write_text("newer")
        await seer.finds("newer")

    witness(etc, etc / "vip-002.conf", story)


def test_the_directory_is_a_link_that_is_swapped(tmp_path: Path) -> None:
    for name, text in (("a", "old"), ("b", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vip-001.conf").write_text(text)
    link = tmp_path / "conf"
    link.symlink_to("a")

    async def story(seer: Witness) -> None:
        point(link, "b")
        await seer.finds("other")
        in_place(tmp_path / "b" / "vip-001.conf")
        await seer.finds("new")
        point(link, "nowhere")
        await seer.finds(None)
        point(link, "a")
        await seer.finds("old")
        in_place(tmp_path / "a" / "vip-001.conf")
        await seer.finds("new")

    witness(link, link / "vip-001.conf", story)


def test_links_in_a_circle_are_waited_for(tmp_path: Path) -> None:
    (tmp_path / "conf").symlink_to("circle")
    (tmp_path / "circle").symlink_to("conf")

    async def story(seer: Witness) -> None:
        (tmp_path / "circle").unlink()
        (tmp_path / "circle").mkdir()
        await seer.told()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(tmp_path / "conf", tmp_path / "conf" / "vip-001.conf", story)


# ---- the directory itself ------------------------------------------------------------------------


def test_the_directory_is_removed_and_comes_back(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        for _ in range(3):  # its inode's number may be the same each time
            shutil.rmtree(etc)
            await seer.finds(None)
            etc.mkdir()
            await seer.told()
            seer.file.write_text("new")
            await seer.finds("new")

    witness(etc, etc / "vip-001.conf", story)


def test_the_directory_is_replaced_at_once(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        for text in ("one", "two", "three"):
            shutil.rmtree(etc)
            etc.mkdir()
            seer.file.write_text(text)
            await seer.finds(text)
            seer.file.write_text(text + "!")
            await seer.finds(text + "!")

    witness(etc, etc / "vip-001.conf", story)


def test_the_directory_above_is_moved_and_another_comes(etc: Path, tmp_path: Path) -> None:
    async def story(seer: Witness) -> None:
        (tmp_path / "etc").rename(tmp_path / "saved")
        await seer.finds(None)
        (tmp_path / "saved" / "ucarp" / "vip-001.conf").write_text("nobody's business")
        etc.mkdir(parents=True)
        seer.file.write_text("new")
        await seer.finds("new")
        shutil.rmtree(tmp_path / "etc")
        await seer.finds(None)
        (tmp_path / "saved").rename(tmp_path / "etc")
        await seer.finds("nobody's business")

    witness(etc, etc / "vip-001.conf", story)


def test_a_directory_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b" / "c"

    async def story(seer: Witness) -> None:
        for each in (tmp_path / "a", tmp_path / "a" / "b", directory):
            each.mkdir()
            await seer.told()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(directory, directory / "vip-001.conf", story)


def test_a_directory_that_comes_with_its_files_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b" / "c"

    async def story(seer: Witness) -> None:
        directory.mkdir(parents=True)
        seer.file.write_text("new")
        await seer.finds("new")

    witness(directory, directory / "vip-001.conf", story)


def test_a_file_stands_where_the_directory_should(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("a file")

    async def story(seer: Witness) -> None:
        (tmp_path / "conf").unlink()
        (tmp_path / "conf").mkdir()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(tmp_path / "conf", tmp_path / "conf" / "vip-001.conf", story)


def test_a_relative_directory_is_one_of_where_vipd_was_started(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(etc.parent)

    async def story(seer: Witness) -> None:
        in_place(etc / "vip-001.conf")
        await seer.finds("new")

    witness(Path("ucarp"), Path("ucarp/vip-001.conf"), story)


# ---- how often it is told ------------------------------------------------------------------------


def test_a_hundred_files_are_one_change(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(seer: Witness) -> None:
        monkeypatch.setattr(watching, "SETTLED", 1.0)  # the kernel's news may come in two parts
        for number in range(100):
            (etc / f"vip-{number:03}.conf").write_text("new")
        await seer.finds("new")
        await asyncio.sleep(2 * watching.SETTLED)
        assert seer.found == ["new"]

    witness(etc, etc / "vip-001.conf", story)


def test_a_change_that_never_ends_is_told_all_the_same(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        async with asyncio.timeout(PATIENCE):
            while not seer.found:
                (etc / "vip-001.conf").write_text("more")
                await asyncio.sleep(SETTLED / 10)
        assert seer.found == ["more"]

    witness(etc, etc / "vip-001.conf", story)


def test_a_change_that_goes_on_is_not_told_at_every_step(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(seer: Witness) -> None:
        monkeypatch.setattr(watching, "SETTLED", 1.0)  # longer than a pause of a busy machine
        for _ in range(30):
            (etc / "vip-001.conf").write_text("more")
            await asyncio.sleep(0.05)
        assert len(seer.found) <= 3  # 1.5 s

    witness(etc, etc / "vip-001.conf", story)


def reads(file: Path) -> None:
    for _ in range(50):
        file.read_text()
        list(file.parent.iterdir())
        file.stat()


def an_editors_own_files(file: Path) -> None:
    swap = file.with_name(".vip-001.conf.swp")
    swap.write_text("x")
    swap.unlink()
    file.with_name("4913").touch()


def neighbours(file: Path) -> None:
    (file.parents[1] / "passwd").write_text("x")
    (file.parents[2] / "elsewhere").mkdir()
    (file.parent / "README").write_text("x")
    (file.parent / "sub").mkdir()
    (file.parent / "sub" / "vip-001.conf").write_text("x")


@pytest.mark.parametrize("act", [reads, an_editors_own_files, neighbours])
def test_what_does_not_matter_is_not_told(etc: Path, act: Callable[[Path], None]) -> None:
    async def story(seer: Witness) -> None:
        act(seer.file)
        await asyncio.sleep(5 * SETTLED)
        assert seer.found == []

    witness(etc, etc / "vip-001.conf", story)


def test_what_is_written_in_a_directory_on_the_way_does_not_wake_us_up(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    seen = Watch._seen

    def noted(watch: Watch, event: FileSystemEvent) -> None:
        woken.append(Path(os.fsdecode(event.src_path)).name)
        seen(watch, event)

    monkeypatch.setattr(Watch, "_seen", noted)
    busy = tmp_path / "busy"
    busy.write_text("")

    async def story(seer: Witness) -> None:
        woken.clear()
        with busy.open("a") as stream:
            for _ in range(100):
                stream.write("a line")
                stream.flush()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(etc, etc / "vip-001.conf", story)
    assert "busy" not in woken
    assert "vip-001.conf" in woken


def test_files_that_are_no_longer_followed_are_not_told(etc: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()

    async def run() -> None:
        calls: list[int] = []
        watch = Watch(asyncio.get_running_loop(), etc, lambda: calls.append(1))
        watch.follow([str(secret)])
        async with asyncio.timeout(PATIENCE):
            while not calls:
                await asyncio.sleep(0.01)
        await asyncio.sleep(5 * SETTLED)
        assert calls == [1]  # it may have changed before it was watched
        watch.follow([str(etc / "vip-001.conf")])
        await calm(watch, calls)
        secret.write_text("new")
        await asyncio.sleep(5 * SETTLED)
        assert calls == []
        await watch.close()

    asyncio.run(run())


def test_following_what_is_watched_already_is_not_told(etc: Path) -> None:
    async def run() -> None:
        calls = []
        watch = Watch(asyncio.get_running_loop(), etc, lambda: calls.append(1))
        for _ in range(3):
            watch.follow([str(etc / "vip-001.conf"), str(etc / "vip-common.conf")])
            await asyncio.sleep(2 * SETTLED)
        await watch.close()
        assert calls == []

    asyncio.run(run())


# ---- at its end ----------------------------------------------------------------------------------


@pytest.fixture
def unchanged_resources() -> Iterator[None]:
    """No thread and no descriptor is left behind."""

    def held() -> list[int]:
        # The kernel's threads: Python counts some that it has not started for longer than they run.
        return [len(list(Path(f"/proc/self/{what}").iterdir())) for what in ("task", "fd")]

    def as_before() -> bool | None:
        return held() == before or None

    def quiet() -> list[int] | None:
        earlier = held()
        sleep(0.1)  # a thread of the test before this may still be ending
        return earlier if held() == earlier else None

    before = wait_until(quiet, timeout=PATIENCE, complaint=lambda: f"{held()}")
    yield
    # A thread that has done its last work may still be ending.
    wait_until(as_before, timeout=PATIENCE, complaint=lambda: f"{before}, then {held()}")


@pytest.mark.usefixtures("unchanged_resources")
def test_nothing_is_left_however_often_the_directories_changed(etc: Path) -> None:
    async def story(seer: Witness) -> None:
        for number in range(10):
            shutil.rmtree(etc)
            etc.mkdir()
            seer.file.write_text(str(number))
            await seer.finds(str(number))

    witness(etc, etc / "vip-001.conf", story)


def test_nothing_is_told_after_the_end(etc: Path) -> None:
    async def run() -> None:
        calls = []
        watch = Watch(asyncio.get_running_loop(), etc, lambda: calls.append(1))
        in_place(etc / "vip-001.conf")
        await asyncio.sleep(SETTLED / 4)
        await watch.close()
        await watch.close()
        await asyncio.sleep(3 * SETTLED)
        assert calls == []

    asyncio.run(run())


# ---- without inotify -----------------------------------------------------------------------------

# The limits are those of a user namespace of its own, whose root may lower them.
EXHAUSTED = """
import asyncio, pathlib, sys
from vipd.daemon.log import logger
from vipd.daemon.files.watch import Watch

directory = pathlib.Path(sys.argv[1])

async def main():
    called = asyncio.Event()
    watch = Watch(asyncio.get_running_loop(), directory, called.set)
    watch.follow([str(directory / "vip-001.conf"), str(directory.parent / "secret")])
    await asyncio.sleep(1)
    for change in (
        lambda: (directory / "vip-001.conf").write_text("new"),
        lambda: (directory.parent / "secret").write_text("new"),
        lambda: (directory / "vip-001.conf").unlink(),
        lambda: directory.rename(directory.with_name("saved")),
        lambda: directory.mkdir(),
        lambda: (directory / "vip-002.conf").write_text("new"),
    ):
        called.clear()
        change()
        async with asyncio.timeout(20):
            await called.wait()
        print("told")
        await asyncio.sleep(1.5)
    await watch.close()

logger.start("info")
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("limit", "cure"),
    [("max_inotify_instances", "max_user_instances"), ("max_inotify_watches", "max_user_watches")],
)
def test_where_inotify_is_used_up_the_files_are_polled_and_the_log_says_so(
    etc: Path, limit: str, cure: str
) -> None:
    lower = f'echo 0 >/proc/sys/user/{limit} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", lower, "sh",
         sys.executable, "-c", EXHAUSTED, str(etc)],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "told\n" * 6), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("<4>inotify is used up")
    assert f"sysctl fs.inotify.{cure}" in line


# ---- the loop ------------------------------------------------------------------------------------


class Sampler:
    """Looks every millisecond what the thread that made it is doing: names of functions."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._whom = threading.get_ident()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.001):
            frame, names = sys._current_frames().get(self._whom), set()
            while frame:
                code = frame.f_code
                names.add(f"{Path(code.co_filename).name} {code.co_name}")
                frame = frame.f_back
            if not self._end.is_set():  # else it waits for this thread
                self.seen |= names


def test_the_loop_neither_looks_at_the_disk_nor_joins_a_thread(etc: Path) -> None:
    """watchdog's threads take 0.3 s to end: an advertisement may not wait for that."""

    async def story(seer: Witness) -> None:
        with Sampler() as loop:
            for number in range(5):
                etc.rename(etc.with_name("saved"))
                etc.mkdir()
                seer.file.write_text(str(number))
                await seer.finds(str(number))
                shutil.rmtree(etc.with_name("saved"))
        assert "base_events.py run_forever" in loop.seen
        assert not loop.seen & {"threading.py join", "paths.py of"}

    witness(etc, etc / "vip-001.conf", story)


# ---- without threads -----------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged_resources")
def test_watches_that_no_thread_could_be_had_for_are_placed_again(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is removed takes its watch with it, and the next one has the same name."""
    monkeypatch.setattr(watching, "_AGAIN", 0.1)
    tried = 0

    def refuse(*_: object, **__: object) -> None:
        nonlocal tried
        tried += 1
        raise RuntimeError("can't start new thread")

    async def story(seer: Witness) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(InotifyObserver, "schedule", refuse)
            shutil.rmtree(etc)
            etc.mkdir()
            async with asyncio.timeout(PATIENCE):
                while tried < 3:
                    await asyncio.sleep(0.01)
        await seer.told()
        await seer.calm()
        seer.file.write_text("new")
        await seer.finds("new")

    witness(etc, etc / "vip-001.conf", story)
