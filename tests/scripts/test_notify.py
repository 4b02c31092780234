"""NOTIFY of real daemons: what it is told, and that nothing waits for it."""

import re
from pathlib import Path
from signal import SIGHUP, SIGUSR2

import pytest
from helpers.asking import Client, vip_of
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import transitions, until

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

NAMES = ["EVENT", "OLD_STATE", "STATE", "HEALTH", "LOST"]


class Diary:
    """A program that writes its environment down, once for each time that it runs."""

    def __init__(self, directory: Path) -> None:
        self._said = directory / "said"
        env = "env | sort | grep -v '^_=' "
        self.program = str(
            write_script(directory / "notify", f'{{ {env}; echo "ARGS=$*"; echo; }} >>{self._said}')
        )

    @property
    def entries(self) -> list[dict[str, str]]:
        text = self._said.read_text() if self._said.exists() else ""
        return [
            dict(line.split("=", 1) for line in entry.splitlines() if "=" in line)
            for entry in text.split("\n\n")
            if entry.strip()
        ]

    @property
    def events(self) -> list[str]:
        """“transition BACKUP MASTER well 0” for each."""
        return [" ".join(entry[name] for name in NAMES) for entry in self.entries]

    def wait(self, count: int) -> None:
        until(lambda: len(self.entries) >= count, lambda: f"{self.events}")


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path)


def test_it_is_told_of_each_transition_to_the_last_one(
    web01: Host, files: Path, diary: Diary
) -> None:
    write_vip(files, OPTIONS=QUICK, NOTIFY=f'{diary.program} "one word" two')
    daemon = web01.vipd(files)
    diary.wait(2)
    mark = daemon.mark()
    daemon.signal(SIGUSR2)
    daemon.wait_for("state: MASTER", since=mark)
    assert daemon.stop() == 0
    assert diary.events == [
        "transition INIT BACKUP well 0",
        "transition BACKUP MASTER well 0",
        "transition MASTER BACKUP well 0",
        "transition BACKUP MASTER well 0",
        "transition MASTER INIT well 0",
    ]
    first, second, third, *_, last = diary.entries
    assert first["ARGS"] == "one word two"
    assert (first["ID"], first["VHID"], first["INTERFACE"]) == ("001", "1", "eth1")
    assert first["ADDRESSES"] == f"{VIP}/32"
    assert second["REASON"] == "nothing heard from a master"
    assert (third["PREVIOUS_MASTER"], third["SICK"]) == ("", "")
    assert last["REASON"] == "stopped on request"
    at = [float(entry["EVENT_AT"]) for entry in diary.entries]
    assert at == sorted(at)
    assert not {"NOTIFY_SOCKET", "PASSWORD"} & set(first)


def test_it_is_told_of_sickness_and_recovery_with_the_reasons(
    web01: Host, files: Path, tmp_path: Path, diary: Diary
) -> None:
    drain = tmp_path / "drain"
    write_vip(files, OPTIONS=QUICK, NOTIFY=diary.program, TRACK_FILE=str(drain))
    daemon = web01.vipd(files)
    diary.wait(2)
    drain.write_text("deploying 4.2\n")
    diary.wait(3)
    drain.unlink()
    diary.wait(4)
    assert diary.events[2:] == ["sick MASTER MASTER sick 0", "well MASTER MASTER well 0"]
    sick, well = diary.entries[2:]
    assert sick["SICK"] == f"track:{drain}"
    assert sick["REASON"] == f"track:{drain}: {drain} says “deploying 4.2”"
    assert well["SICK"] == ""
    assert well["REASON"] == f"track:{drain} well again"
    assert transitions(daemon) == ["BACKUP", "MASTER"]


def test_the_election_goes_on_while_it_hangs_and_so_do_the_scripts(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    hangs = write_script(tmp_path / "hangs", f"echo $$ >>{pids}; exec sleep 1000")
    write_vip(files, NOTIFY=str(hangs))
    write_vip(files.parent / "other", OPTIONS="--advskew=100")
    first = web01.vipd(files)
    first.wait_for("state: BACKUP")
    until(pids.exists, first.tail)
    web02.vipd(files.parent / "other")
    lab.wait_owner(VIP, "web01", stable=2)
    mark = first.mark()
    first.signal(SIGUSR2)
    lab.wait_owner(VIP, "web02", stable=1)
    assert first.stop() == 0
    assert "kills NOTIFY of 1 VIPs" in first.log(since=mark)
    (pid,) = pids.read_text().split()
    until(
        lambda: web01.run(["sh", "-c", f"kill -0 {pid}"]).returncode != 0, lambda: f"{pid} lives on"
    )


def problems(daemon: Process) -> list[str]:
    return [each["text"] for each in vip_of(daemon)["problems"] if each["code"] == "notify"]


def test_a_failure_is_shown_until_it_succeeds_again(
    web01: Host, files: Path, tmp_path: Path, diary: Diary
) -> None:
    fails = write_script(tmp_path / "fails", "echo starting; echo 'mail: no such host'; exit 69")
    write_vip(files, OPTIONS=QUICK, NOTIFY=str(fails))
    daemon = web01.vipd(files)
    said = "notify failed: exit status 69: mail: no such host"
    until(lambda: problems(daemon) == [said], lambda: f"{problems(daemon)}{daemon.tail()}")
    assert f"<4>001: {said}" in daemon.log().splitlines()
    with Client(daemon) as client:
        (history,) = [
            each["text"]
            for answer in client.stream("History")
            for each in answer["events"]
            if each["code"] == "notify"
        ][:1]
    assert history == said
    write_vip(files, OPTIONS=QUICK, NOTIFY=diary.program)
    daemon.signal(SIGHUP)
    daemon.wait_for("001: changed in place: notify$")
    daemon.signal(SIGUSR2)
    diary.wait(1)
    until(lambda: not problems(daemon), lambda: f"{problems(daemon)}{daemon.tail()}")
    write_vip(files, OPTIONS=QUICK, NOTIFY=str(tmp_path / "missing"))
    daemon.signal(SIGHUP)
    said = "is not there, or not executable; nobody is told"
    with Client(daemon) as client:
        until(lambda: said in f"{client.ask('Problems')}", daemon.tail)


def test_many_vips_that_move_at_once_are_all_told_in_order(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    script = write_script(tmp_path / "notify", f'echo "$ID $OLD_STATE $STATE" >>{said}')
    for number in range(1, 41):
        keys = {"ID": str(number), "VIP_ADDRESS": f"198.51.100.{number}"}
        write_vip(files, f"{number:03}", **keys, OPTIONS=QUICK)
    (files / "vip-common.conf").write_text(f"NOTIFY={script}\n")
    daemon = web01.vipd(files)

    def lines() -> list[str]:
        return said.read_text().splitlines() if said.exists() else []

    until(lambda: len(lines()) == 80, lambda: f"{len(lines())}{daemon.tail()}", timeout=60)
    assert daemon.stop() == 0
    for number in range(1, 41):
        mine = [line for line in lines() if line.startswith(f"{number:03} ")]
        states = ["INIT BACKUP", "BACKUP MASTER", "MASTER INIT"]
        assert mine == [f"{number:03} {each}" for each in states]


def test_a_vip_that_is_taken_out_of_the_files_is_told_of_its_end(
    web01: Host, files: Path, diary: Diary
) -> None:
    file = write_vip(files, OPTIONS=QUICK, NOTIFY=diary.program)
    daemon = web01.vipd(files)
    diary.wait(2)
    file.unlink()
    daemon.signal(SIGHUP)
    diary.wait(3)
    assert diary.events[2] == "transition MASTER INIT well 0"
    assert not re.search("Traceback", daemon.log())


def test_a_vip_that_fails_is_told_of_as_one_that_ends(
    web01: Host, files: Path, diary: Diary
) -> None:
    # IPv6 switched off: the kernel refuses the addresses, whenever it is tried.
    web01.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"])
    write_vip(files, VIP_ADDRESS=f"{VIP} 2001:db8::155", OPTIONS=QUICK, NOTIFY=diary.program)
    daemon = web01.vipd(files)
    daemon.wait_for("^<3>001: failed: .*; starts again in 1 s")
    diary.wait(3)
    assert diary.events[:3] == [
        "transition INIT BACKUP well 0",
        "transition BACKUP INIT well 0",
        "transition INIT BACKUP well 0",
    ]
    assert diary.entries[1]["REASON"] == "the VIP failed; see the log"
