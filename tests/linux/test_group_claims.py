"""Claims of groups: who sees them, and what cannot hide them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from helpers.hosts import until

from vipd.lab import Host
from vipd.lab.anchor import environment
from vipd.linux import bpf, group_claims
from vipd.linux.group_claims import Claims, Group

pytestmark = pytest.mark.lab

HOLD = """
import sys
from vipd.linux.group_claims import Claims
claims = Claims()
for word in sys.argv[1:]:
    interface, _, vhid = word.partition("=")
    claims.add((interface, int(vhid)))
print("held", flush=True)
for line in sys.stdin:
    interface, _, vhid = line.strip().partition("=")
    claims.drop((interface, int(vhid)))
    print("dropped", flush=True)
"""


@contextmanager
def another(*groups: Group) -> Iterator["subprocess.Popen[str]"]:
    """A process in the same network that claims these."""
    words = [f"{interface}={vhid}" for interface, vhid in groups]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("web01")
def test_others_see_a_claim_until_it_is_dropped_or_its_process_has_ended() -> None:
    claims = Claims()
    claims.add(("eth1", 7))
    assert claims.of_others() == {}  # our own is not another's
    everything: list[Group] = [("eth1", vhid) for vhid in range(1, 256)]
    last: Group = ("a-name-that-long", 255)  # of an interface that is not there (yet)
    with another(*everything, ("eth1.20", 32), last) as other:
        expected = dict.fromkeys([*everything, ("eth1.20", 32), last], other.pid)
        assert claims.of_others() == expected
        assert other.stdin
        assert other.stdout
        other.stdin.write("eth1=31\n")
        other.stdin.flush()
        other.stdout.readline()
        del expected["eth1", 31]
        assert claims.of_others() == expected
    assert claims.of_others() == {}


@pytest.mark.usefixtures("web01")
def test_filters_of_any_size_hide_no_claim() -> None:
    """The kernel ends a list early where a filter does not fit into its buffer."""
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    bpf.attach(capture, [(bpf.LD_IMM, 0, 0, 1)] * 2000 + [(bpf.RET, 0, 0, 0)])
    many = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(100)]
    for each in many:
        bpf.attach(each, [(bpf.LD_IMM, 0, 0, 1)] * 100 + [(bpf.RET, 0, 0, 0)])
    with capture, another(("eth1", 1)) as other:
        assert Claims().of_others() == {("eth1", 1): other.pid}
    for each in many:
        each.close()


@pytest.mark.usefixtures("web01")
def test_whoever_is_not_permitted_to_speak_carp_can_claim_nothing(web01: Host) -> None:
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for space in ((), ("unshare", "--user", "--map-root-user")):
        program = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)"
        done = web01.run([*user, *space, "/usr/bin/python3", "-c", program])
        assert "Operation not permitted" in done.stderr


def test_answers_during_which_sockets_are_closed_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel counts on from where it was, and leaves out as many as were closed meanwhile."""
    answers = iter([[1, 2, 3, 5, 6], [2, 3, 5, 6], [5, 6], [5, 6, 7], [5, 6, 7], [8]])

    def dump(_diag: socket.socket) -> Iterator[tuple[int, bytes]]:
        for inode in next(answers):
            yield inode, b""

    monkeypatch.setattr(group_claims, "_dump", dump)
    assert {inode for inode, _ in group_claims._filters()} == {1, 2, 3, 5, 6, 7}


@pytest.mark.usefixtures("web01")
def test_a_claim_leaves_nothing_open() -> None:
    def opened() -> set[str]:
        """What the descriptors lead to. Not how many there are: a socket of the test before this
        one may be closed meanwhile."""
        found = set()
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(descriptor.readlink()))
        return found

    claims = Claims()
    before = opened()
    for vhid in range(1, 256):
        claims.add(("eth1", vhid))
    for vhid in range(1, 256):
        claims.drop(("eth1", vhid))
    claims.drop(("eth1", 1))  # again: nothing
    until(lambda: opened() <= before, lambda: f"{opened() - before} stay open")
