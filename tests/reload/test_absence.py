"""Files and directories that are away, cannot be read or hang: what runs goes on as it is."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest
from helpers.advertising import of_vhid
from helpers.asking import Client, RefusedError
from helpers.captured import capture
from helpers.configured import PASSWORD, VIP, write_vip
from helpers.hanging import hang
from helpers.hosts import transitions, until
from helpers.machine import about_children

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
LIVES = ["BACKUP", "MASTER"]


def problems(daemon: Process) -> list[dict[str, Any]]:
    with Client(daemon) as client:
        found: list[dict[str, Any]] = client.ask("Problems")["problems"]
        return found


def start(host: Host, files: Path) -> Process:
    """A vipd of a root that may not read everything."""
    limits = "--bounding-set=-dac_override,-dac_read_search"
    return host.start(
        [
            *("setpriv", limits, sys.executable, "-m", "vipd.daemon", "--config-dir", files),
            *("--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd"),
        ],
        name="vipd",
    )


def started(lab: Lab, host: Host, files: Path) -> Process:
    """The same, when it is master of the VIP."""
    daemon = start(host, files)
    lab.wait_owner(VIP, "web01", timeout=30)
    return daemon


def goes_on(dump: Process, times: int = 3) -> None:
    """Wait until it has advertised so many times more, however busy this machine is."""
    before = len(of_vhid(dump, 1))
    until(lambda: len(of_vhid(dump, 1)) >= before + times, dump.tail, timeout=60)


def errors(daemon: Process) -> list[str]:
    return [each["text"] for each in problems(daemon) if each["severity"] == "error"]


def directory_away(files: Path) -> Callable[[], object]:
    other = files.with_name("other")
    files.rename(other)
    return lambda: other.rename(files)


def another_without_files(files: Path) -> Callable[[], object]:
    """As when a mount is lost: what is left is its mount point."""
    back = directory_away(files)
    files.mkdir()

    def restore() -> None:
        files.rmdir()
        back()

    return restore


def directory_closed(files: Path) -> Callable[[], object]:
    files.chmod(0)
    return lambda: files.chmod(0o755)


def directory_not_to_be_searched(files: Path) -> Callable[[], object]:
    """Its names can be read, its files cannot."""
    files.chmod(0o444)
    return lambda: files.chmod(0o755)


def file_closed(files: Path) -> Callable[[], object]:
    (files / "vip-001.conf").chmod(0)
    return lambda: (files / "vip-001.conf").chmod(0o600)


def a_fifo_in_its_place(files: Path) -> Callable[[], object]:
    back = directory_away(files)
    files.touch()

    def restore() -> None:
        files.unlink()
        back()

    return restore


WAYS = [
    directory_away, another_without_files, directory_closed, directory_not_to_be_searched,
    file_closed, a_fifo_in_its_place,
]  # fmt: skip


@pytest.mark.parametrize("fault", WAYS)
def test_a_reading_that_failed_is_no_wish(
    lab: Lab, web01: Host, web02: Host, files: Path, fault: Callable[[Path], Callable[[], object]]
) -> None:
    """With a password elsewhere, too, which a fault does not take for another one."""
    (files / "secret").write_text(f"{PASSWORD}\n")
    write_vip(files, PASSFILE="secret", PASSWORD="hate", LEASE="off")
    daemon = started(lab, web01, files)
    dump = capture(web02, "proto", "112")
    mark = daemon.mark()
    restore = fault(files)
    if fault is not another_without_files:
        daemon.signal(SIGHUP)  # who asks for a reload does not ask for that
    daemon.wait_for(
        "^<3>.*ucarp.*(cannot be read|another directory|no permission)", since=mark, timeout=60
    )
    assert len(errors(daemon)) == 1
    goes_on(dump, 5)  # for longer than an absence takes to count
    restore()
    until(lambda: not errors(daemon), daemon.tail, timeout=60)
    write_vip(files, PASSFILE="secret", LEASE="off", OPTIONS="--advskew=7")
    until(lambda: "1 changed" in daemon.log(mark), daemon.tail, timeout=60)
    assert transitions(daemon) == LIVES
    assert len(lab.ownership(VIP).changes) == 1
    assert daemon.log(mark).count("cannot be read: ") <= 1
    assert "Traceback" not in daemon.log()


def test_a_directory_that_is_back_without_an_event_is_read_again(
    lab: Lab, web01: Host, files: Path
) -> None:
    """Nobody sees that descriptors are free again; and without any, there are no fewer files."""
    write_vip(files, LEASE="off")
    daemon = started(lab, web01, files)
    soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, hard))
    mark = daemon.mark()
    daemon.signal(SIGHUP)
    daemon.wait_for(
        "^<3>.*: the directory cannot be read: Too many open files; ", since=mark, timeout=60
    )
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
    daemon.wait_for("^<6>.*ucarp can be read again", since=mark, timeout=60)
    assert transitions(daemon) == LIVES


def test_a_directory_that_could_not_be_read_at_first_is_watched_when_it_can(
    lab: Lab, web01: Host, files: Path
) -> None:
    """inotify may watch only what may be read."""
    files.chmod(0)
    daemon = start(web01, files)
    daemon.wait_for("^<3>.*: the directory cannot be read: Permission denied", timeout=60)
    files.chmod(0o755)
    daemon.wait_for("^<6>.*ucarp can be read again", timeout=60)
    daemon.wait_for("^<4>no VIP to run", timeout=60)
    write_vip(files, LEASE="off")
    lab.wait_owner(VIP, "web01", timeout=60)


def test_no_vip_is_wanted_when_somebody_says_so(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, LEASE="off")
    daemon = started(lab, web01, files)
    another_without_files(files)
    daemon.wait_for("^<3>.*ucarp: this is another directory .*vipctl reload")
    daemon.signal(SIGHUP)
    lab.wait_owner(VIP, None)


def test_a_file_that_is_back_after_a_moment_was_never_gone(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    common = files / "vip-common.conf"
    common.write_text("OPTIONS=--advskew=3\nPASSFILE=secret\n")
    (files / "secret").write_text(f"{PASSWORD}\n")
    file = write_vip(files, PASSWORD="hate", LEASE="off")
    daemon = started(lab, web01, files)
    dump = capture(web02, "proto", "112")
    mark = daemon.mark()
    for each in (file, common, files / "secret"):
        away = each.with_suffix(".away")
        each.rename(away)
        gone = rf"^<6>{each} is gone: (.|\n)*^<6>files read: 1 unchanged$"
        daemon.wait_for(gone, since=mark, timeout=60)
        mark = daemon.mark()
        away.rename(each)
        daemon.wait_for("^<6>files read: 1 unchanged$", since=mark, timeout=60)
        mark = daemon.mark()
    goes_on(dump)
    assert transitions(daemon) == LIVES
    assert not [line for line in daemon.log().splitlines() if line.startswith("<3>")]
    file.unlink()
    daemon.wait_for("files read: 1 stopped", timeout=60)
    lab.wait_owner(VIP, None, timeout=30)


def test_a_vip_whose_file_gets_another_name_does_not_wait(
    lab: Lab, web01: Host, files: Path
) -> None:
    file = write_vip(files, LEASE="off", VHID="1")
    daemon = started(lab, web01, files)
    mark = daemon.mark()
    file.rename(files / "vip-002.conf")
    daemon.wait_for("files read: .*1 stopped", since=mark, timeout=60)
    daemon.wait_for("^<4>002: Switching to state: MASTER", since=mark, timeout=60)
    assert "<3>" not in daemon.log()
    assert " is gone" not in daemon.log()


def test_a_service_for_one_vip_waits_for_its_directory(lab: Lab, web01: Host, files: Path) -> None:
    daemon = web01.vipd(files / "later", "--only", "vip-001")
    daemon.wait_for("^<3>.*later: the directory cannot be read: No such file")
    write_vip(files / "later", LEASE="off")
    lab.wait_owner(VIP, "web01")


# ---- a disk that hangs ---------------------------------------------------------------------------


def test_a_disk_that_hangs_stops_nothing_else(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    write_vip(files, LEASE="off")
    daemon = started(lab, web01, files)
    dump = capture(web02, "proto", "112")
    disk = hang(web01, files.with_name("hung"))
    mark = daemon.mark()
    (files / "vip-002.conf").symlink_to(files.with_name("hung") / "vip-002.conf")
    daemon.wait_for("^<3>.*reading has taken .*the disk hangs", since=mark, timeout=60)
    assert any("the disk hangs" in problem["text"] for problem in problems(daemon))
    with Client(daemon) as client:
        with pytest.raises(RefusedError, match="NotRead"):
            client.ask("Reload")  # it waits behind the other
        assert client.vips()["001"]["state"] == "MASTER"
    goes_on(dump)
    disk.kill()  # what hung fails now
    daemon.wait_for("^<6>.* can be read again", since=mark, timeout=60)
    assert transitions(daemon) == LIVES
    write_vip(files, LEASE="off", OPTIONS="--advskew=7")
    daemon.wait_for("files read: .*1 changed", since=mark, timeout=60)


@pytest.mark.parametrize("when", ["at its start", "later"])
def test_a_daemon_whose_disk_hangs_ends_when_it_is_told_to(
    lab: Lab, web01: Host, files: Path, when: str
) -> None:
    write_vip(files, LEASE="off")
    hang(web01, files.with_name("hung"))
    link = files / "vip-002.conf"
    if when == "later":
        daemon = started(lab, web01, files)
        link.symlink_to(files.with_name("hung") / "vip-002.conf")
        until(lambda: hangs(daemon), daemon.tail, timeout=60)
    else:
        link.symlink_to(files.with_name("hung") / "vip-002.conf")
        daemon = web01.vipd(files)
        daemon.wait_for("^<3>.*the disk hangs", timeout=60)
        assert "the disk hangs" in errors(daemon)[0]
        assert hangs(daemon)
    assert daemon.stop() == 0
    assert lab.owners(VIP) == []


def hangs(daemon: Process) -> bool:
    """Whether the process that reads the files waits for the disk, in the kernel."""
    waits = about_children(daemon, "wchan").values()
    return any("fuse" in each or "request_wait" in each for each in waits)


# ---- mistakes ------------------------------------------------------------------------------------

BROKEN = """
from vipd.daemon.metrics import server
from vipd.daemon.__main__ import main

whole, calls = server.Exporter.configure, 0

async def configure(self, settings):
    global calls
    calls += 1
    if calls == 2:
        raise ValueError("a mistake")
    await whole(self, settings)

server.Exporter.configure = configure
main()
"""


def test_a_reload_that_breaks_is_told_and_tried_again(web01: Host, files: Path) -> None:
    """The fault is in one call, the second time that it is made."""
    write_vip(files)
    places = ("--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd")
    daemon = web01.start([sys.executable, "-c", BROKEN, "--config-dir", files, *places])
    daemon.wait_for("files read: 1 started", timeout=60)
    with Client(daemon) as client:
        mark = daemon.mark()
        with pytest.raises(RefusedError, match="ValueError: a mistake"):
            client.ask("Reload")
        assert "could not be applied" in client.problems()[0]["text"]
        log = daemon.log(mark)
        assert "<3>reading the files failed: ValueError: a mistake; " in log
        assert ", in configure" in log  # where
        daemon.wait_for("^<6>files read: 1 unchanged", since=mark, timeout=60)
        assert client.problems() == []
