"""The process that reads the files: whatever becomes of it, what runs goes on as it is."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.configured import VIP, write_vip
from helpers.hanging import hang
from helpers.hosts import transitions, until
from helpers.machine import about_children

from vipd.daemon.files.reading import DAEMON, Found, Order, shape
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

PLACES = ("--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd")
LIVES = ["BACKUP", "MASTER"]

#: What the daemon knows differs from what is installed, the second time that it asks.
UPDATED = """
from vipd.daemon.__main__ import main
from vipd.daemon.files import reader

shape, calls = reader.shape, 0

def other():
    global calls
    calls += 1
    return () if calls == 2 else shape()

reader.shape = other
main()
"""

#: The process is killed when it has answered in part.
AMID = """
from vipd.daemon.files import reading_process

reading_process._PROGRAM = (
    "import os, pickle, signal; data = pickle.dumps('x' * 99); "
    "os.read(3, 65536); os.write(3, data[:50]); os.kill(os.getpid(), signal.SIGKILL)  # {!r}"
)
from vipd.daemon.__main__ import main
main()
"""

#: Loading the program of the process fails.
BROKEN = """
from vipd.daemon.files import reading_process

whole = reading_process.ReadingProcess.__init__

def first(self):
    reading_process.ReadingProcess.__init__ = second
    raise OSError(12, "Cannot allocate memory")

def second(self):
    reading_process.ReadingProcess.__init__ = whole
    raise OSError(12, "Cannot allocate memory")

reading_process.ReadingProcess.__init__ = first
from vipd.daemon.__main__ import main
main()
"""


def reading(daemon: Process) -> list[int]:
    """The processes that read the files."""
    commands = about_children(daemon, "cmdline")
    return [child for child, command in commands.items() if "files.reading" in command]


def test_no_process_is_left_when_the_files_are_read(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=60)
    assert reading(daemon) == []


def test_a_process_that_is_killed_is_told_and_another_one_reads(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, LEASE="off")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01", timeout=60)
    disk = hang(web01, files.with_name("hung"))
    mark = daemon.mark()
    (files / "vip-002.conf").symlink_to(files.with_name("hung") / "vip-002.conf")
    until(lambda: reading(daemon) != [], daemon.tail, timeout=60)
    (hanging,) = reading(daemon)
    os.kill(hanging, signal.SIGKILL)
    ended = r"^<3>.*: the directory cannot be read: the process that reads it ended \(status -9\)"
    daemon.wait_for(ended, since=mark, timeout=60)
    (files / "vip-002.conf").unlink()
    disk.kill()
    daemon.wait_for("^<6>.* can be read again", since=mark, timeout=60)
    assert transitions(daemon) == LIVES


def test_a_vipd_that_was_updated_says_so_and_runs_on(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, LEASE="off")
    daemon = web01.start([sys.executable, "-c", UPDATED, "--config-dir", files, *PLACES])
    lab.wait_owner(VIP, "web01", timeout=60)
    mark = daemon.mark()
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("vipd was updated while it ran; .*; restart vipd", since=mark, timeout=60)
    daemon.wait_for("^<6>.* can be read again", since=mark, timeout=60)
    assert transitions(daemon) == LIVES


def test_the_files_are_read_when_a_process_can_be_started(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.start([sys.executable, "-c", BROKEN, "--config-dir", files, *PLACES])
    daemon.wait_for("the directory cannot be read: Cannot allocate memory; ", timeout=60)
    daemon.wait_for("state: MASTER", timeout=60)
    assert "Traceback" not in daemon.log()


def ordered(directory: Path, first: str = "pass") -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A process that reads a directory, and our end of its connection. ``first``: what it does
    before."""
    ours, its = socket.socketpair()
    with its:
        main = "from vipd.daemon.files.reading import main; main()"
        program = f"import os; {first}; os.dup2({its.fileno()}, {DAEMON}); {main}"
        process = subprocess.Popen(
            [sys.executable, "-c", program], pass_fds=[its.fileno()], stderr=subprocess.PIPE
        )
    order = Order(directory, None, asked=True, now=0.0, memory=b"")
    ours.sendall(pickle.dumps(shape()) + pickle.dumps(order))
    return process, ours


def test_a_daemon_that_ends_meanwhile_is_no_error(tmp_path: Path) -> None:
    write_vip(tmp_path)
    process, ours = ordered(tmp_path)
    ours.close()  # before it has anything to answer
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")


def test_it_ends_with_its_answer(tmp_path: Path) -> None:
    """The daemon waits for its end. An interpreter frees all that it has before, for 15 ms."""
    write_vip(tmp_path)
    process, ours = ordered(tmp_path, "import atexit; atexit.register(os._exit, 7)")
    with ours, ours.makefile("rb") as answers:
        while isinstance(answer := pickle.load(answers), str):
            pass
    assert isinstance(answer, Found)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")


def test_a_process_that_is_killed_amid_its_answer_is_named(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.start([sys.executable, "-c", AMID, "--config-dir", files, *PLACES])
    daemon.wait_for("the process that reads it ended", timeout=60)
    assert "UnpicklingError" not in daemon.log()
