"""Where and to whom metrics are served, and that nobody who asks gets in the protocol's way."""

import re
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from helpers.advertising import LATE, go_on, lateness, of_vhid
from helpers.asking import ask as reload
from helpers.captured import capture
from helpers.configured import QUICK, VIP, write_vip
from helpers.hosts import until
from helpers.machine import Delay
from helpers.scraping import LISTEN, PORT, ask, listening, scrape, served

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

#: Says where modules come from, one line each, on stderr.
IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
SOCKET = "/run/vipd/metrics"


def sockets(host: Host) -> str:
    """Everything on a host that listens."""
    tcp = host.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).stdout
    return "\n".join(line for line in tcp.splitlines() if " 0A " in line)


@pytest.fixture
def master(lab: Lab, web01: Host, files: Path) -> Process:
    """A vipd that owns VIP and serves on LISTEN."""
    listening(files)
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    served(daemon)
    return daemon


def test_what_is_off_costs_nothing(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files, env=IMPORTS)
    lab.wait_owner(VIP, "web01")
    assert sockets(web01) == ""
    for module in ("prometheus_client", "vipd.daemon.metrics.families", "vipd.daemon.metrics.text"):
        assert module not in daemon.log()
    assert "vipd.daemon.metrics.server" in daemon.log()  # that is how it would look
    listening(files)
    served(daemon)
    assert "prometheus_client" in daemon.log()
    assert f":{PORT:04X} " in sockets(web01)


def test_it_follows_the_file_and_touches_no_vip(
    lab: Lab, master: Process, web01: Host, files: Path
) -> None:
    for where, reached in (
        ("[::1]:9112", "::1"),
        (f"unix:{SOCKET}", SOCKET),
        (LISTEN, "127.0.0.1"),
    ):
        mark = master.mark()
        listening(files, where)
        served(master, where, since=mark)
        assert scrape(web01, reached).value("vipd_state") == 2
        others = {"::1", SOCKET, "127.0.0.1"} - {reached}
        assert [ask(web01, where=other) for other in others] == ["", ""]
    listening(files, "off")
    until(lambda: sockets(web01) == "", lambda: "it still listens")
    assert len(lab.ownership(VIP).changes) == 1


def test_a_unix_socket_of_an_earlier_life_is_no_obstacle(web01: Host, files: Path) -> None:
    listening(files, f"unix:{SOCKET}")
    write_vip(files, OPTIONS=QUICK)
    first = web01.vipd(files)
    served(first, "unix:")
    first.kill()
    assert web01.run(["test", "-S", SOCKET]).returncode == 0
    second = web01.vipd(files)
    served(second, "unix:")
    assert scrape(web01, SOCKET).status == 200
    assert second.stop() == 0
    assert web01.run(["test", "-e", SOCKET]).returncode != 0


def test_a_port_that_is_taken_is_told_once_and_tried_again(
    lab: Lab, web01: Host, files: Path
) -> None:
    squatter = web01.start(
        [
            *(sys.executable, "-I", "-S", "-c"),
            "import socket, time\n"
            f"s = socket.create_server(('127.0.0.1', {PORT}))\n"
            "print('here', flush=True); time.sleep(600)",
        ]
    )
    squatter.wait_for("here")
    listening(files)
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(rf"^<3>metrics cannot be served on {LISTEN}: .*in use; correct METRICS_LISTEN")
    lab.wait_owner(VIP, "web01")  # the rest goes on
    squatter.kill()
    daemon.wait_for(f"metrics are served on {LISTEN}", timeout=60)
    assert scrape(web01).status == 200
    assert daemon.log().count("metrics cannot be served") == 1


def test_a_broken_file_changes_nothing_that_runs(master: Process, web01: Host, files: Path) -> None:
    mark = master.mark()
    listening(files, "nowhere")
    master.wait_for("METRICS_LISTEN .* is neither off, nor", since=mark)
    # mended meanwhile, but broken in another way
    (files / "vip-common.conf").write_text("METRICS_LISTEN=off\nX=`id`\n")
    master.wait_for(r"vip-common.conf:2:\d+", since=mark)
    assert scrape(web01).value("vipd_config_problems", severity="error") == 1


def test_with_only_one_vip_to_run_it_is_somebody_elses_business(
    lab: Lab, web01: Host, files: Path
) -> None:
    listening(files)
    write_vip(files, OPTIONS=QUICK)
    web01.vipd(files, "--only", "001")
    lab.wait_owner(VIP, "web01", stable=1)
    assert sockets(web01) == ""


@pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        ("GET / HTTP/1.1", 200, "the metrics are at /metrics"),
        ("GET /metrics?name[]=up HTTP/1.0", 200, "vipd_state"),
        ("GET /favicon.ico HTTP/1.1", 404, "the metrics are at /metrics"),
        ("POST /metrics HTTP/1.1", 405, "only GET"),
        ("", 405, "only GET"),
    ],
)
def test_it_speaks_enough_http(
    master: Process, web01: Host, request_line: str, status: int, words: str
) -> None:
    reply = ask(web01, f"{request_line}\\r\\nHost: x\\r\\n\\r\\n")
    assert reply.startswith(f"HTTP/1.1 {status} ")
    assert words in reply
    assert master.alive


@pytest.mark.usefixtures("master")
def test_head_is_the_same_without_the_text(web01: Host) -> None:
    reply = ask(web01, "HEAD /metrics HTTP/1.1\\r\\n\\r\\n")
    assert reply.startswith("HTTP/1.1 200 OK")
    assert "vipd_" not in reply


# Everything a client can do wrong, many times over, until it is stopped.
HOSTILE = {
    "silent": "socks.append(connect())",
    "half a request": "s = connect(); s.send(b'GET /metr'); socks.append(s)",
    "drop by drop": "s = connect(); s.send(b'G'); time.sleep(0.01); s.send(b'E'); socks.append(s)",
    "garbage": "s = connect(); s.send(os.urandom(4096)); socks.append(s)",
    "endless headers": "s = connect(); s.send(b'GET / HTTP/1.1\\r\\nX: ' + b'x' * 100000)",
    "does not read": "s = connect(); s.send(b'GET /metrics HTTP/1.1\\r\\n\\r\\n'); socks.append(s)",
    "asks and asks": "s = connect(); s.send(b'GET /metrics HTTP/1.1\\r\\n\\r\\n'); s.recv(1 << 20)",
    "comes and goes": "connect().close()",
}
_CLIENT = f"""
import os, socket, time
socks = []
def connect():
    s = socket.socket(); s.settimeout(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", {PORT}))
    return s
print("here", flush=True)
while True:
    try:
        ACT
    except OSError:
        pass
    del socks[:-200]
    time.sleep(0.001)
"""


@pytest.mark.parametrize("act", HOSTILE.values(), ids=HOSTILE)
def test_nobody_who_asks_makes_an_advertisement_late(
    lab: Lab, master: Process, web01: Host, web02: Host, act: str
) -> None:
    dump = capture(web02, "proto", "112")
    delay = Delay(master)
    program = _CLIENT.replace("ACT", act)
    client = web01.start([sys.executable, "-I", "-S", "-c", program])
    client.wait_for("here")
    go_on(dump, 1)
    time.sleep(2)
    go_on(dump, 1)
    descriptors = web01.run(["sh", "-c", f"ls /proc/{master_pid(web01)}/fd | wc -l"]).stdout
    assert int(descriptors) < 100
    client.kill()
    assert lateness(of_vhid(dump, 1), delay) < LATE
    assert len(lab.ownership(VIP).changes) == 1
    # Those that held a connection are gone, or soon will be.
    until(lambda: "vipd_state" in ask(web01), master.tail, timeout=20)


#: 64 connections that are opened again as soon as they are closed. To be replaced: what each does
#: once it is there.
_MANY = f"""
import selectors, socket, time
watch = selectors.DefaultSelector()
def connect():
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", {PORT}))
    watch.register(s, selectors.EVENT_WRITE)
for _ in range(64):
    connect()
print("here", flush=True)
while True:
    for key, events in watch.select():
        s = key.fileobj
        try:
            if events & selectors.EVENT_WRITE:
                ACT
                watch.modify(s, selectors.EVENT_READ)
            elif not READS or not s.recv(65536):
                raise OSError
        except OSError:
            watch.unregister(s)
            s.close()
            connect()
"""


@pytest.mark.alone
@pytest.mark.parametrize(
    "act",
    ["pass", "s.send(b'GET /metr')", "s.send(b'GET /metrics HTTP/1.1\\r\\n\\r\\n')"],
    ids=["idle", "half a request", "asking"],
)
def test_a_scrape_gets_through_whoever_else_is_connected(
    master: Process, web01: Host, act: str
) -> None:
    """From the same address, too. Prometheus gives up after 10 s."""
    program = _MANY.replace("ACT", act).replace("READS", "True")
    other = web01.start([sys.executable, "-I", "-S", "-c", program])
    other.wait_for("here")
    until(lambda: len(connected(web01)) >= 16, lambda: "they are not connected")
    for _ in range(5):
        begin = time.monotonic()
        assert scrape(web01).value("vipd_state") == 2
        assert time.monotonic() - begin < 10
    assert other.alive
    assert master.alive


def connected(host: Host) -> list[str]:
    """Connections that are open to vipd's end."""
    lines = host.run(["cat", "/proc/net/tcp"]).stdout.splitlines()
    return [line for line in lines if f":{PORT:04X} " in line.split(" 0")[0] or " 01 " in line]


def test_what_a_link_leads_to_is_left_alone(lab: Lab, web01: Host, files: Path) -> None:
    """METRICS_LISTEN in a directory of a user's: neither a mode is changed nor a file removed."""
    web01.run(["sh", "-ec", "mkdir -m 777 /run/lab/open; chmod 755 /run/lab"])
    web01.run(["sh", "-ec", "echo x >/run/lab/precious; chmod 600 /run/lab/precious"])
    squatter = web01.start(
        [
            *(sys.executable, "-I", "-S", "-c"),
            "import socket, time\n"
            "s = socket.socket(socket.AF_UNIX); s.bind('/run/lab/alive'); s.listen()\n"
            "print('here', flush=True); time.sleep(600)",
        ]
    )
    squatter.wait_for("here")
    web01.run(["chmod", "600", "/run/lab/alive"])
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    where = "/run/lab/open/metrics"
    for what in (
        "ln -s /run/lab/precious",
        "ln -s /run/lab/alive",
        "ln -s /run/lab/nothing",
        "ln /run/lab/precious",
        "ln /run/lab/alive",
        "cp /run/lab/precious",
    ):
        mark = daemon.mark()
        web01.run(["sh", "-ec", f"{what} {where}"])
        listening(files, f"unix:{where}")
        daemon.wait_for("metrics cannot be served on unix:", since=mark)
        listening(files, "off")
        reload(daemon, "Reload")
        modes = web01.run(["stat", "-c", "%a", "/run/lab/precious", "/run/lab/alive"]).stdout
        assert modes.split() == ["600", "600"], what
        assert web01.run(["test", "-e", "/run/lab/nothing"]).returncode != 0
        assert web01.run(["sh", "-c", f"test -e {where} || test -L {where}"]).returncode == 0, what
        web01.run(["rm", where])
    mark = daemon.mark()
    listening(files, f"unix:{where}")
    served(daemon, "unix:", since=mark)
    assert web01.run(["stat", "-c", "%a %F", where]).stdout == "666 socket\n"
    assert scrape(web01, where).status == 200
    web01.run(["sh", "-ec", f"rm {where}; echo another >{where}"])
    assert daemon.stop() == 0
    assert web01.run(["cat", where]).stdout == "another\n"  # that was not ours
    assert lab.hosts


def master_pid(host: Host) -> str:
    return host.run(["cat", "/run/vipd/vipd.pid"]).stdout.strip()


def test_255_vips_are_read_without_an_advertisement_being_late(
    web01: Host, web02: Host, files: Path
) -> None:
    listening(files)
    for number in range(1, 256):
        keys = {"ID": str(number), "VIP_ADDRESS": f"192.0.2.{number}", "OPTIONS": "--deadratio=4"}
        write_vip(files, f"{number:03}", **keys)
    daemon = web01.vipd(files)
    served(daemon)
    until(
        lambda: daemon.log().count("state: MASTER") == 255,
        lambda: f"{daemon.log().count('state: MASTER')} are master{daemon.tail()}",
        timeout=90,
    )
    delay = Delay(daemon)
    dump = web02.capture("proto", "112", options=["-B", "16384", "-tt", "-T", "carp"])
    since = time.time()
    times: dict[str, list[float]] = {}

    def told_and_sent() -> bool:
        told = scrape(web01)
        assert told.values("vipd_state") == [2.0] * 255
        time.sleep(1)
        times.clear()
        for sent, vhid in re.findall(r"^(\d+\.\d+) IP .* vhid=(\d+)", dump.log(), re.MULTILINE):
            times.setdefault(vhid, []).append(float(sent))
        return len(times) == 255 and min(map(len, times.values())) >= 5

    until(told_and_sent, lambda: f"{len(times)} advertise{dump.tail()}", timeout=60)
    late = max(
        b - a - 1 - delay.between(a, b)
        for each in times.values()
        for a, b in pairwise(each)
        if a > since
    )
    assert late < LATE
    assert daemon.log().count("Switching to state: BACKUP") == 255
