"""Only a healthy host owns: a check that fails moves the address, with real programs and hosts."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP
from time import sleep
from typing import Any

import pytest
from helpers.asking import Client, vip_of
from helpers.configured import write_script, write_vip
from helpers.hosts import transitions, until

from owner.group import GAP, SECOND, Group, Report
from vipd.lab import Process

pytestmark = pytest.mark.lab

QUICK = {
    "CHECK_INTERVAL": "0.2",
    "CHECK_FALL": "2",
    "CHECK_RISE": "2",
    "CHECK_HOLD": "0",
    "CHECK_TIMEOUT": "10",  # a shell may take longer than an interval on a busy machine
    "CHECK_USER": "root",
}


class Service:
    """What the checks of a host look at: a file that says how its service is."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._state = directory / "state"
        self.well()
        self.check = str(write_script(directory / "check", f'. "{self._state}"'))

    def well(self) -> None:
        self.does("exit 0")

    def fails(self) -> None:
        self.does("echo 'no answer from port 80'; exit 1")

    def does(self, what: str) -> None:
        """What the check does from now on."""
        new = self._state.with_suffix(".new")
        new.write_text(f"{what}\n")
        new.rename(self._state)

    @property
    def keys(self) -> dict[str, str]:
        return {**QUICK, "CHECK_WEB": self.check}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody gets into: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def service(place: Path) -> Service:
    return Service(place / "web01")


@pytest.fixture
def other(place: Path) -> Service:
    return Service(place / "web02")


def check_of(daemon: Process) -> dict[str, Any]:
    """The one check of the VIP, as List has it."""
    (finding,) = vip_of(daemon)["findings"]
    check: dict[str, Any] = finding["check"]
    return {**finding, **check}


def health(daemon: Process, is_it: str) -> None:
    until(
        lambda: vip_of(daemon)["health"] == is_it,
        lambda: f"{vip_of(daemon)['health']} is not {is_it}{daemon.tail()}",
    )


def test_a_failing_check_moves_the_address_without_a_gap(
    group: Group, service: Service, other: Service, report: Report
) -> None:
    first = group.vipd("web01", **service.keys)
    group.vipd("web02", SECOND, **other.keys)
    group.belongs_to("web01")
    health(first, "WELL")
    with group.seen() as seen:
        service.fails()
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.gap < GAP + seen.noise
    assert seen.none == 0
    said = "sick: check:web: exit status 1: no answer from port 80"
    assert [line for line in first.log().splitlines() if line == f"<4>001: {said}"]


@pytest.mark.parametrize("preempt", ["--preempt", ""])
def test_a_host_that_is_well_again_takes_the_address_back_with_preempt_only(
    group: Group, service: Service, other: Service, preempt: str
) -> None:
    first = group.vipd("web01", preempt, **service.keys)
    group.vipd("web02", SECOND, preempt, **other.keys)
    group.belongs_to("web01")
    health(first, "WELL")
    service.fails()
    group.belongs_to("web02", lasting=4)  # longer than master-down: the sick does not take it back
    service.well()
    health(first, "WELL")
    group.belongs_to("web01" if preempt else "web02", lasting=4)
    first.wait_for("001: well again: check:web$")


def test_nobody_moves_between_two_sick_hosts_and_a_sick_one_takes_over_from_silence(
    group: Group, service: Service, other: Service
) -> None:
    first = group.vipd("web01", "--preempt", **service.keys)
    second = group.vipd("web02", SECOND, "--preempt", **other.keys)
    group.belongs_to("web01")
    other.fails()
    health(second, "SICK")
    service.fails()
    health(first, "SICK")
    group.belongs_to("web01", lasting=4)
    assert transitions(second) == ["BACKUP"]
    group.host("web01").crash()
    group.belongs_to("web02", lasting=1)


@pytest.mark.parametrize("preempt", [(), ("--preempt",)], ids=["plain", "preempt"])
def test_ucarp_gets_the_address_of_a_sick_host(
    group: Group, service: Service, preempt: tuple[str, ...], report: Report
) -> None:
    first = group.vipd("web01", "--preempt", **service.keys)
    group.ucarp("web02", SECOND, *preempt)
    group.belongs_to("web01")
    health(first, "WELL")
    with group.seen() as seen:
        service.fails()
        group.belongs_to("web02", lasting=4)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.gap < GAP + seen.noise
    service.well()
    group.belongs_to("web01", lasting=1)


CANNOT = {
    "hangs": ("sleep 1000", "still ran after 0.2 s"),
    "is killed": ("kill -9 $$", "ended by SIGKILL"),
    "is a script that is broken": ("if", "exit status"),
}


@pytest.mark.parametrize("how", CANNOT)
def test_a_check_that_does_not_end_well_has_failed(
    group: Group, service: Service, other: Service, how: str
) -> None:
    first = group.vipd("web01", **{**service.keys, "CHECK_TIMEOUT": "0.2"})
    group.vipd("web02", SECOND, **other.keys)
    group.belongs_to("web01")
    health(first, "WELL")
    what, said = CANNOT[how]
    service.does(what)
    group.belongs_to("web02")
    check = check_of(first)
    assert check["well"] is False
    assert said in check["said"]


def test_a_program_that_is_missing_or_open_to_others_has_failed_and_is_not_run(
    group: Group, service: Service, place: Path
) -> None:
    first = group.vipd("web01", **{**service.keys, "CHECK_WEB": str(place / "missing")})
    health(first, "SICK")
    assert "missing" in check_of(first)["said"]
    proof = place / "proof"
    open_to_all = write_script(place / "open", f"touch {proof}")
    open_to_all.chmod(0o777)
    write_vip(group.directory / "web01", **{**service.keys, "CHECK_WEB": str(open_to_all)})
    first.signal(SIGHUP)
    until(
        lambda: "not run" in check_of(first)["said"],
        lambda: f"{check_of(first)}{first.tail()}",
    )
    health(first, "SICK")
    assert not proof.exists()


def test_a_host_that_was_frozen_does_not_blame_its_checks(
    group: Group, service: Service, place: Path
) -> None:
    """Its clock says that they ran for too long; but it was not there to see them end."""
    begun = place / "begun"
    service.does(f"echo >{begun}; sleep 0.3")
    keys = {**service.keys, "CHECK_FALL": "1", "CHECK_TIMEOUT": "1", "CHECK_INTERVAL": "1"}
    first = group.vipd("web01", **keys, LEASE="off")  # still master afterwards
    group.belongs_to("web01")
    health(first, "WELL")
    for _ in range(3):
        mark, ok = first.mark(), check_of(first)["ok"]
        begun.unlink()
        until(begun.exists, first.tail)
        first.signal(SIGSTOP)
        sleep(2.5)  # longer than the run may take
        first.signal(SIGCONT)
        first.wait_for("event loop stalled", since=mark)
        _more(first, ok)
    assert check_of(first)["failed"] == 0
    assert "sick" not in first.log()


def _more(daemon: Process, ok: int) -> None:
    """Wait for a good run after so many."""
    until(lambda: check_of(daemon)["ok"] > ok, daemon.tail)


def test_75_says_nothing(group: Group, service: Service) -> None:
    first = group.vipd("web01", **service.keys)
    health(first, "WELL")
    service.does("exit 75")
    until(
        lambda: check_of(first)["none"] > 3,
        lambda: f"{check_of(first)}",
    )
    assert vip_of(first)["health"] == "WELL"


def test_a_flapping_service_is_held_for_longer_and_does_not_pull_the_address_along(
    group: Group, service: Service, other: Service
) -> None:
    keys = {**service.keys, "CHECK_FALL": "1", "CHECK_RISE": "1", "CHECK_HOLD": "3"}
    first = group.vipd("web01", "--preempt", **keys)
    group.vipd("web02", SECOND, "--preempt", **other.keys)
    group.belongs_to("web01")
    health(first, "WELL")
    service.does(f"cd {group.directory}; if [ -e odd ]; then rm odd; else touch odd; exit 1; fi")
    group.belongs_to("web02", lasting=2.5)
    health(first, "WELL")  # between two failures, after the hold
    until(
        lambda: (check_of(first)["held_left"] or 0) > 4,
        lambda: f"{check_of(first)}{first.tail()}",
    )
    assert first.log().count("state: MASTER") <= 2


def test_a_reload_changes_checks_in_place(group: Group, service: Service, place: Path) -> None:
    first = group.vipd("web01", **service.keys)
    group.belongs_to("web01")
    health(first, "WELL")
    files = group.directory / "web01"
    service.fails()
    health(first, "SICK")
    # Other times only: what was found stays true.
    mark = first.mark()
    write_vip(files, **{**service.keys, "CHECK_RISE": "100"})
    first.wait_for("changed in place: checks$", since=mark)
    assert vip_of(first)["health"] == "SICK"
    # Good runs count as with the old times; the first one is no verdict.
    service.well()
    mark = first.mark()
    write_vip(files, **{**service.keys, "CHECK_RISE": "100", "CHECK_FALL": "3"})
    first.wait_for("changed in place: checks$", since=mark)
    sleep(1)
    assert vip_of(first)["health"] == "SICK"
    # Another question: nothing is known until it is answered.
    answered = place / "answered"
    new = write_script(place / "new", f"while [ ! -e {answered} ]; do sleep 0.05; done")
    mark = first.mark()
    write_vip(files, **{**service.keys, "CHECK_WEB": str(new), "CHECK_TIMEOUT": "100"})
    first.wait_for("changed in place: checks$", since=mark)
    assert vip_of(first)["health"] == "UNKNOWN"
    answered.touch()
    health(first, "WELL")
    mark = first.mark()
    write_vip(files)
    first.wait_for("changed in place: .*checks", since=mark)
    assert vip_of(first)["findings"] == []
    assert transitions(first) == ["BACKUP", "MASTER"]


def test_a_host_without_verdicts_does_not_preempt_until_it_has_one(
    group: Group, service: Service, other: Service
) -> None:
    group.vipd("web02", SECOND, **other.keys)
    group.belongs_to("web02")
    service.does("exit 75")
    first = group.vipd("web01", "--preempt", **service.keys)
    health(first, "UNKNOWN")
    group.belongs_to("web02", lasting=2)
    service.well()
    group.belongs_to("web01", lasting=1)


def test_checks_end_with_the_daemon(group: Group, service: Service, place: Path) -> None:
    pids = place / "pids"
    service.does(f"sleep 1000 & echo $$ $! >{pids}; wait")
    first = group.vipd("web01", **{**service.keys, "CHECK_TIMEOUT": "3000"})
    until(lambda: pids.exists() and pids.read_text().endswith("\n"), first.tail)
    check, its_child = pids.read_text().split()
    living = ["sh", "-c", f"kill -0 {check} || kill -0 {its_child}"]
    host = group.host("web01")
    assert host.run(living).returncode == 0
    assert first.stop() == 0
    until(lambda: host.run(living).returncode != 0, lambda: f"{check} or {its_child} still runs")


def test_demote_by_only_adds_to_advskew(group: Group, service: Service, other: Service) -> None:
    keys = {**service.keys, "DEMOTE_BY": "100"}
    first = group.vipd("web01", "--preempt", **keys)
    group.vipd("web02", SECOND, "--preempt", **other.keys)
    group.belongs_to("web01")
    service.fails()
    group.belongs_to("web02", lasting=1)
    assert vip_of(first)["effective_advskew"] == 100
    service.well()
    group.belongs_to("web01", lasting=1)


def test_255_vips_with_the_same_three_checks_cost_three_checks(
    group: Group, service: Service, place: Path
) -> None:
    runs = place / "runs"
    script = write_script(place / "counted", f'echo "$1 $ID" >>{runs}; . {service.check}')
    files = group.directory / "web01"
    three = "".join(f"CHECK_{name}='{script} {name}'\n" for name in "ABC")
    common = three + "".join(f"{key}={value}\n" for key, value in QUICK.items())
    for number in range(1, 256):
        address = f"10.9.0.{number}"
        write_vip(files, f"{number:03}", ID=str(number), VIP_ADDRESS=address)
    (files / "vip-common.conf").write_text(common)
    first = group.host("web01").vipd(files)
    with Client(first) as client:

        def healths() -> Counter[str]:
            return Counter(vip["health"] for vip in client.vips().values())

        until(lambda: healths() == {"WELL": 255}, lambda: f"{healths()}{first.tail()}", timeout=60)
        vips = client.vips()
        assert {f["check"]["vips"] for f in vips["001"]["findings"]} == {255}
        started = len(runs.read_text().splitlines())
        counts = [finding["check"] for finding in client.vips("255")["255"]["findings"]]
        ended = sum(check["ok"] + check["failed"] + check["none"] for check in counts)
        assert started <= ended + 3
        assert set(runs.read_text().splitlines()) == {"A ", "B ", "C "}
        service.fails()
        until(lambda: healths() == {"SICK": 255}, lambda: f"{healths()}{first.tail()}", timeout=60)


def test_an_address_is_not_given_to_a_sick_host_at_a_stop(group: Group, other: Service) -> None:
    """Of three, the healthy one takes over, though a sick one is better placed."""
    first = group.vipd("web01", **QUICK)
    second = group.vipd("web02", SECOND, **other.keys)
    group.vipd("web03", "--advskew=200", **QUICK)
    group.belongs_to("web01")
    other.fails()
    health(second, "SICK")
    assert first.stop() == 0
    group.belongs_to("web03", lasting=2)
