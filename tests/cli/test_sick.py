"""What vipctl shows of a host whose check has failed: a real daemon, and a real program."""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.asking import vip_of
from helpers.configured import QUICK, write_script, write_vip
from helpers.hosts import until

from cli.conftest import COMMAND
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

SAID = "sick: check:web: exit status 7: no answer from port 80"


@dataclass(frozen=True, slots=True)
class Sick:
    """A host whose check fails while `trouble` is there."""

    host: Host
    daemon: Process
    trouble: Path

    def vipctl(self, *arguments: str) -> CompletedProcess[str]:
        return self.host.run([*COMMAND, *arguments], timeout=60)

    def becomes(self, health: str) -> None:
        until(lambda: vip_of(self.daemon)["health"] == health, self.daemon.tail, timeout=60)


@pytest.fixture(scope="module")
def sick() -> Iterator[Sick]:
    """The host, and its check fails now; one for all tests, which only look."""
    with tempfile.TemporaryDirectory() as name, Lab() as lab:
        place = Path(name)
        place.chmod(0o755)
        trouble = place / "trouble"
        check = write_script(
            place / "check",
            f"echo looking; [ ! -e {trouble} ] || {{ echo 'no answer from port 80'; exit 7; }}",
        )
        keys = {"CHECK_WEB": str(check), "CHECK_INTERVAL": "0.2", "CHECK_USER": "root"}
        # As long as a run may take on a busy machine; else it would be killed after an interval.
        keys |= {"CHECK_TIMEOUT": "20", "CHECK_FALL": "2", "CHECK_HOLD": "1000"}
        write_vip(place / "ucarp", OPTIONS=QUICK, **keys)
        host = lab.host("web01", "198.51.100.179/24")
        made = Sick(host, host.vipd(place / "ucarp"), trouble)
        made.daemon.wait_for("state: MASTER", timeout=60)
        made.becomes("WELL")
        trouble.touch()
        made.becomes("SICK")
        yield made


def test_status_has_sick_with_the_reason_and_ends_with_1(sick: Sick) -> None:
    done = sick.vipctl("status")
    assert done.returncode == 1
    assert "1 SICK" in done.stdout.splitlines()[0]
    assert re.search(r"^001 .* MASTER SICK ", done.stdout, re.MULTILINE)
    assert f"! 001: {SAID}" in done.stdout
    report = json.loads(sick.vipctl("status", "--json").stdout)
    (vip,) = report["vips"]
    assert vip["health"] == "SICK"
    (finding,) = vip["findings"]
    assert (finding["name"], finding["well"]) == ("check:web", False)
    assert finding["check"]["last"] == "failed"


def test_why_tells_since_when_what_it_said_and_what_ends_it_and_when(sick: Sick) -> None:
    done = sick.vipctl("why", "001")
    text = " ".join(done.stdout.split())
    assert "This host is sick for it." in text
    assert re.search(
        r"check:web has failed since [^,]+, .* ago: exit status 7: no answer from port 80\.", text
    )
    assert re.search(
        r"It is well again after 5 more good runs, one every 0\.2 s, and not before [^,]+, in .* "
        r"\(CHECK_HOLD\)\.",
        text,
    )


@pytest.mark.parametrize("command", ["history", "doctor"])
def test_history_and_doctor_have_it_too(sick: Sick, command: str) -> None:
    done = sick.vipctl(command)
    assert done.returncode == (command == "doctor")
    assert SAID in done.stdout


def test_watch_shows_it(sick: Sick) -> None:
    command = " ".join(["timeout", "--foreground", "-s", "INT", "8", *COMMAND, "watch"])
    size = ["env", "TERM=xterm", "COLUMNS=120", "LINES=24", "NO_COLOR=1"]
    done = sick.host.run([*size, "script", "-qec", command, "/dev/null"], timeout=60)
    frame = done.stdout.rpartition("\x1b[?1049l")[2]
    assert re.search("^001 .* MASTER SICK ", frame, re.MULTILINE), done.stdout
    assert SAID in frame
