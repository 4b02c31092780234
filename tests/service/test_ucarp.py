"""vipd-ucarp beside ucarp: whatever one is asked, the other answers the same."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM, SIGUSR1, SIGUSR2

import pytest
from helpers.configured import VIP, WEB01, WEB02, write_script
from helpers.hosts import address_of, until

from vipd.lab import Host, Lab, Process
from vipd.lab.errors import search_path
from vipd.lab.host import VIP_DOWN, VIP_UP

pytestmark = pytest.mark.lab

PATIENCE = 60.0
OURS = [sys.executable, "-m", "vipd.ucarp.main"]
COMPLETE = f"-i eth77 -v 1 -p love -s {WEB01} -a {VIP}"

WRONG = [
    "--bogus",
    "-q",
    "-m 224.0.0.18",
    "--p",
    "--p=x",
    "--s",
    "--d",
    "--a",
    "--preempt=yes",
    "-i",
    "--interface",
    "-zPx",
    "--vhid",
    "stray --help",
    "-h -v 300",
    "-v 300 -h",
    "-v 0",
    "-v -1",
    "-v 08",
    "-v 0x100",
    "-v nonsense",
    "-v 1 -a 198.51.100.154/24",
    "-v 1 -a 010.0.0.1",
    "-v 1 -s nowhere",
    "-v 1 --mcast=nowhere",
    "-v 1 -o /nonexistent",
    "-v 1 -o /dev/null",
    "-v 1 -o /",
    "-f bogus",
    "-f none",
    "-f LOCAL0",
    "-i eth77",
    "-i eth77 -v 1",
    "-i eth77 -v 1 -p love",
    "-i eth77 -v 1 -p love -b 0",
    "-i eth77 -v 1 -p love -b 256",
    f"-i eth77 -v 1 -p love -s {WEB01}",
    f"-i eth77 -v 1 -p love -s 0.0.0.0 -a {VIP}",
    COMPLETE,
    f"{COMPLETE} -r 0",
    f"{COMPLETE} -u /up -d /down",
    f"{COMPLETE} -p 01234567890123456789",
    f"{COMPLETE} -i lo0",
    f"{COMPLETE} -i eth77:1",
    f"{COMPLETE} -i a-name-that-is-too-long",
    f"{COMPLETE} -B",
]


@pytest.fixture(scope="module")
def questions() -> Iterator[Host]:
    """A host to ask both programs on."""
    with Lab(history=False) as lab:
        yield lab.host("web01", f"{WEB01}/24")


def answer(host: Host, command: list[str]) -> tuple[int, list[str], list[str]]:
    """Exit status, and both outputs without what is another each time."""
    done = host.run(command)
    out, err = (re.sub(r"(?m)^[\d:.T-]{26}: ", "", text) for text in (done.stdout, done.stderr))
    stable = [line for line in out.splitlines() if not re.match("ucarp 1|Please report", line)]
    return done.returncode, stable, err.splitlines()


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_done_is_refused_in_the_same_words(questions: Host, words: str) -> None:
    theirs = answer(questions, ["ucarp", *words.split()])
    assert answer(questions, [*OURS, *words.split()]) == theirs


def test_without_an_option_there_is_help(questions: Host) -> None:
    status, out, err = answer(questions, OURS)
    assert (status, out, err) == answer(questions, ["ucarp"])
    assert status == 0
    assert len(out) > 30


# A life


def options(host: Host, *more: str) -> list[str]:
    source = WEB01 if host.name == "web01" else WEB02
    words = f"-i eth1 -s {source} -v 1 -p love -a {VIP} -u {VIP_UP} -d {VIP_DOWN}"
    return [*words.split(), *more]


def ours(host: Host, *more: str) -> Process:
    process = host.start([*OURS, *options(host, *more)], name="vipd-ucarp")
    process.wait_for("state: BACKUP", timeout=PATIENCE)
    return process


def test_it_runs_beside_a_ucarp_and_answers_signals_as_one(
    lab: Lab, web01: Host, web02: Host
) -> None:
    first = ours(web01, "-z", "-P")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    second = web02.start(["ucarp", *options(web02, "-z", "-k", "50")])
    second.wait_for("state: BACKUP", timeout=PATIENCE)
    first.signal(SIGUSR1)
    first.wait_for(r": \[INFO\] MASTER on eth1 id 1$", timeout=PATIENCE)
    first.signal(SIGUSR2)
    second.wait_for("state: MASTER", timeout=PATIENCE)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)  # it preempts
    first.signal(SIGTERM)
    assert first.wait() == 0
    lab.wait_owner(VIP, "web02", timeout=PATIENCE)
    for process in (first, second):
        for line in (
            r"\[WARNING\] Switching to state: BACKUP$",
            r"\[WARNING\] Switching to state: MASTER$",
            rf"\[\w+\] Spawning \[{VIP_UP} eth1 {VIP}\]$",
        ):
            assert re.search(rf"(?m)^[\d:.T-]{{26}}: {line}", process.log()), process.tail()
    mac = r"(?m): \[INFO\] Local advertised ethernet address is \[[0-9a-f:]{17}\]$"
    assert re.search(mac, first.log())  # ucarp ends without writing what waits for stdout


def test_the_address_is_held_on_a_lease_although_a_script_adds_it(lab: Lab, web01: Host) -> None:
    ours(web01)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    until(
        lambda: (address_of(web01, VIP) or {}).get("valid_life_time", 2**32) <= 3,
        lambda: f"no lease: {address_of(web01, VIP)}",
    )


def test_without_scripts_nobody_adds_the_address(web01: Host) -> None:
    words = f"-i eth1 -s {WEB01} -v 1 -p love -a {VIP}".split()
    process = web01.start([*OURS, *words], name="vipd-ucarp")
    process.wait_for("state: MASTER", timeout=PATIENCE)
    assert address_of(web01, VIP) is None


def test_a_script_that_anybody_may_change_does_not_run_and_the_address_is_there(
    lab: Lab, web01: Host
) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        script = write_script(Path(name) / "up", f"touch {name}/ran")
        script.chmod(0o777)
        daemon = ours(web01, f"--upscript={script}", "--deadratio=1")
        daemon.wait_for(rf"\[ERROR\] {script} runs as root, and anybody on this host may change it")
        lab.wait_owner(VIP, "web01")
        daemon.stop()
        assert not (Path(name) / "ran").exists()


def test_no_list_of_processes_shows_the_password(web01: Host) -> None:
    for words in (["-p", "geheim"], ["-zPpgeheim"], ["--pass=geheim"]):
        process = web01.start(
            [*OURS, "-i", "eth1", "-s", WEB01, "-v", "7", "-a", VIP, *words], name="vipd-ucarp"
        )
        process.wait_for("state: BACKUP", timeout=PATIENCE)
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"geheim" not in shown
        assert b"xxxxxx" in shown
        process.stop()


# Where it logs to, and how it goes into the background


@pytest.fixture
def syslog(web01: Host) -> Iterator[Callable[[], list[str]]]:
    """What the host's /dev/log has received since the last call."""
    with (
        tempfile.TemporaryDirectory(prefix="vipd-") as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
    ):
        path = Path(directory, "log")
        sock.bind(str(path))
        path.chmod(0o666)
        web01.bind(path, "/dev/log")

        def received() -> list[str]:
            lines = []
            while True:
                try:
                    lines.append(sock.recv(4096).decode())
                except BlockingIOError:
                    return lines

        yield received


def in_background(host: Host, command: list[str]) -> None:
    done = host.run(command)
    assert (done.returncode, done.stdout) == (0, "")


def entries(lines: list[str], about: str) -> list[str]:
    """The matching lines without time and process id."""
    found = (re.sub(r"[A-Z][a-z]{2} [ \d]\d [\d:]{8}", "TIME", line) for line in lines)
    found = (re.sub(r"\[\d+\]", "[PID]", line).strip("\0\n") for line in found)
    return [line for line in found if about in line]


@pytest.mark.parametrize(
    ("facility", "number"), [([], 3 << 3), (["-f", "local7"], 23 << 3), (["-f", "none"], None)]
)
def test_in_the_background_both_say_the_same_to_the_syslog(
    lab: Lab,
    web01: Host,
    syslog: Callable[[], list[str]],
    facility: list[str],
    number: int | None,
) -> None:
    heard = {}
    for name, program in (("theirs", ["ucarp"]), ("ours", OURS)):
        syslog()
        in_background(web01, [*program, *options(web01, "-z", "-B", *facility)])
        lab.wait_owner(VIP, "web01", timeout=PATIENCE)
        assert web01.run(["pkill", "-f", "eth1 -s .* -B"]).returncode == 0
        lab.wait_owner(VIP, None, timeout=PATIENCE)
        heard[name] = entries(syslog(), "Switching")
    assert heard["ours"][:2] == heard["theirs"][:2]
    if number is None:
        assert heard["theirs"] == []
    else:
        line = "TIME ucarp[PID]: [WARNING] Switching to state:"
        assert heard["theirs"] == [f"<{number + 4}>{line} BACKUP", f"<{number + 4}>{line} MASTER"]


def test_debians_script_runs_it_in_its_place(
    lab: Lab, web01: Host, syslog: Callable[[], list[str]], tmp_path: Path
) -> None:
    """As the packages' `ucarp` alternative does."""
    program = write_script(
        tmp_path / "ucarp", f'exec {" ".join(OURS)} "$@"'.replace("exec", "exec env", 1)
    )
    web01.bind(program, "/usr/sbin/ucarp")
    environment = {
        "IFACE": "eth1",
        "IF_ADDRESS": WEB01,
        "IF_UCARP_VID": "1",
        "IF_UCARP_VIP": VIP,
        "IF_UCARP_PASSWORD": "love",
        "IF_UCARP_UPSCRIPT": VIP_UP,
        "IF_UCARP_DOWNSCRIPT": VIP_DOWN,
        "IF_UCARP_MASTER": "yes",
        "IF_UCARP_ADVSKEW": "10",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    words = [f"{name}={value}" for name, value in environment.items()]
    in_background(web01, ["env", *words, "/etc/network/if-up.d/ucarp"])
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    lines: list[str] = []

    def told() -> bool:
        lines.extend(syslog())
        return bool(entries(lines, "Switching to state: MASTER"))

    until(told, lambda: f"{lines}")


def test_the_debian_package_is_there() -> None:
    """Else the test before this one would show nothing."""
    found = subprocess.run(
        ["sh", "-c", "command -v ucarp"],
        env={"PATH": search_path()},
        capture_output=True,
        check=False,
    )
    assert found.returncode == 0
    assert Path("/etc/network/if-up.d/ucarp").exists()


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_who_starts_it_may_have_closed_the_standard_files(
    lab: Lab, web01: Host, closed: str
) -> None:
    """ucarp runs. The next thing that is opened must not be what messages are written to."""
    options = ["-i", "eth1", "-v", "1", "-p", "love", "-s", WEB01, "-a", VIP, "-r", "1"]
    scripts = ["-u", VIP_UP, "-d", VIP_DOWN, "-z"]
    command = f'exec "$0" "$@" {closed}'
    ours = web01.start(["sh", "-c", command, *OURS, *options, *scripts])
    lab.wait_owner(VIP, "web01", timeout=60)
    for number in range(3):
        opened = Path(f"/proc/{ours.pid}/fd/{number}").readlink()
        assert not str(opened).startswith(("socket:", "anon_inode:", "pipe:")), number
    assert ours.stop() == 0
