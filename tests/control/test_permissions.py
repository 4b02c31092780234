"""Who may read and who may change: root, and the group's members."""

import sys
from pathlib import Path

import pytest
from helpers.asking import ask, socket_of
from helpers.configured import write_vip

from vipd.daemon.control.connections import CONNECTIONS
from vipd.lab import Host, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: A group that every system has, and that root is not in.
GROUP, GID = "mail", 8
SOMEBODY = 12345
SOCKET = f"{RUNTIME_DIR}/io.vipd"

#: Calls each line of its input, says what was answered, and waits for the next.
CLIENT = f"""
import json, socket, sys
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect({SOCKET!r})
except OSError as error:
    sys.exit(type(error).__name__)
for line in sys.stdin:
    try:
        connection.sendall(line.strip().encode() + b"\\0")
    except BrokenPipeError:
        pass
    data = b""
    while not data.endswith(b"\\0"):
        data += connection.recv(65536) or sys.exit("closed")
    answer = json.loads(data[:-1])
    print(answer.get("error", "fine"), flush=True)
"""
READ = '{"method": "io.vipd.Describe"}'
CHANGE = '{"method": "io.vipd.SetLogLevel", "parameters": {"level": "debug"}}'
REFUSED = "io.vipd.NotPermitted"


def as_user(host: Host, *groups: int, calls: str) -> list[str]:
    """What a process of a user in these groups is answered."""
    others = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    user = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", others)
    done = host.run([*user, sys.executable, "-I", "-S", "-c", CLIENT], text=calls)
    return [*done.stdout.split(), *done.stderr.split()]


@pytest.fixture
def daemon(web01: Host, files: Path) -> Process:
    """A vipd whose socket a group may use."""
    write_vip(files)
    daemon = web01.vipd(files, f"--group={GROUP}")
    daemon.wait_for("files read")
    until_there(daemon)
    return daemon


def until_there(daemon: Process) -> None:
    """The socket is there before it has its mode; who is answered comes after that."""
    ask(daemon, "Describe")


def test_members_of_the_group_may_read_and_change(web01: Host, daemon: Process) -> None:
    file = socket_of(daemon).stat()
    assert (file.st_mode & 0o777, file.st_uid, file.st_gid) == (0o660, 0, GID)
    assert as_user(web01, GID, calls=f"{READ}\n{CHANGE}\n") == ["fine", "fine"]
    daemon.wait_for(rf"log-level debug, asked by uid {SOMEBODY}, process \d+")


def test_nobody_else_gets_in(web01: Host, daemon: Process) -> None:
    assert as_user(web01, calls=READ) == ["PermissionError"]
    socket_of(daemon).chmod(0o666)  # and if somebody opens the door, we look who comes
    assert as_user(web01, calls=READ) == [REFUSED]


def test_members_may_change_for_as_long_as_the_group_may_write(
    web01: Host, daemon: Process
) -> None:
    socket_of(daemon).chmod(0o606)
    assert as_user(web01, GID, calls=READ) == ["PermissionError"]
    script = f"""
import json, os, socket
connection = socket.socket(socket.AF_UNIX)
connection.connect({SOCKET!r})
os.write(1, b"in")
input()
for call in {READ!r}, {CHANGE!r}:
    connection.sendall(call.encode() + b"\\0")
    print(json.loads(connection.recv(65536)[:-1]).get("error", "fine"), flush=True)
"""
    socket_of(daemon).chmod(0o660)
    pipe = f"{RUNTIME_DIR}/pipe"
    assert web01.run(["mkfifo", pipe]).returncode == 0
    user = f"setpriv --reuid={SOMEBODY} --regid={SOMEBODY} --groups={GID}"
    client = web01.start(
        ["sh", "-c", f'exec {user} {sys.executable} -I -S -c "$0" <{pipe}', script], name="member"
    )
    writer = web01.start(
        ["sh", "-c", f"exec 3>{pipe}; while [ ! -e /run/go ]; do sleep 0.05; done; echo >&3"]
    )
    client.wait_for("in")
    socket_of(daemon).chmod(0o640)
    assert web01.run(["touch", "/run/go"]).returncode == 0
    client.wait_for(rf"fine\n{REFUSED}\n")
    writer.wait()


def test_without_the_group_the_socket_is_roots_alone(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.vipd(files, "--group=no-such-group")
    daemon.wait_for(rf"^<6>no group no-such-group: only root may use {SOCKET}$")
    until_there(daemon)
    assert socket_of(daemon).stat().st_mode & 0o777 == 0o600
    assert as_user(web01, GID, calls=READ) == ["PermissionError"]


def test_a_socket_that_cannot_be_made_does_not_stop_the_daemon(web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS="--deadratio=1")
    assert web01.run(["mkdir", "-p", f"{SOCKET}/occupied"]).returncode == 0
    daemon = web01.vipd(files)
    daemon.wait_for(rf"^<3>cannot listen on {SOCKET}: ")
    daemon.wait_for("state: MASTER")
    assert daemon.stop() == 0


#: Opens as many connections as its argument says, and keeps them until its input ends.
HOLD = f"""
import socket, sys
held = []
for _ in range(int(sys.argv[1])):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect({SOCKET!r})
    held.append(connection)
print("held", flush=True)
sys.stdin.read()
"""


def test_others_cannot_take_the_connections_that_are_roots(web01: Host, daemon: Process) -> None:
    user = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", f"--groups={GID}")
    # One after the other: until the daemon has taken some in, the queue of the socket is full.
    command = [*user, sys.executable, "-I", "-S", "-c", HOLD, str(CONNECTIONS + 8)]
    holder = web01.start(["sh", "-c", 'sleep 600 | "$@"', "sh", *command], name="holder")
    holder.wait_for("held")
    assert as_user(web01, GID, calls=READ) == ["io.vipd.Busy"]  # they have used up their own
    for _ in range(3):
        assert ask(daemon, "Describe")["connections"] == CONNECTIONS + 1
