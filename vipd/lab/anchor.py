"""The lab's side of an agent: a namespace in which processes can be started.

An anchor is `unshare … python agent.py`: new network, mount, PID and UTS namespaces with our agent
as PID 1. The lab starts one anchor, called the world; hosts are anchors inside it.
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipd.lab.errors import LabError, missing, search_path

AGENT = Path(__file__).with_name("agent.py")
ANSWER_WITHIN = 20.0  # seconds; an agent answers in a millisecond, on an overloaded machine later
END_WITHIN = 10.0  # seconds for the kernel to kill all processes in a namespace

NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
AS_ORDINARY_USER = ("--user", "--map-root-user")

NO_NAMESPACES = """\
this machine does not let us make network namespaces: {reason}
Run as root, or allow user namespaces: sysctl user.max_user_namespaces=10000, on Debian also
kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in a
container, start it privileged"""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process just started: its PID in its own namespace, and a pidfd, which is never reused."""

    inner_pid: int
    pidfd: int


class Anchor:
    """One agent, and the requests to it. Safe to use in several threads."""

    def __init__(self, sock: socket.socket, ending: int, name: str) -> None:
        """`ending` is a pidfd of the unshare process: readable once all processes inside have
        ended."""
        self._sock = sock
        self._ending = ending
        self._name = name
        self._lock = threading.Lock()
        self._closed = False
        self.alive = True  # it answers

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: int, stdout: int, stderr: int
    ) -> Spawned:
        """Start `argv` inside; LabError when it cannot be started (the package is named)."""
        reply, fds = self._ask({"spawn": list(argv), "env": dict(env)}, (stdin, stdout, stderr))
        if "error" in reply:
            if reply["errno"] == errno.ENOENT and "/" not in argv[0]:
                raise missing(argv[0])
            raise LabError(f"cannot start a process on {self._name}: {reply['error']}")
        return Spawned(reply["pid"], fds[0])

    def status(self, inner_pid: int) -> int | None:
        """Exit status (or -signal) of a process, None while it runs."""
        try:
            reply, _fds = self._ask({"status": inner_pid}, ())
        except LabError:
            return -9  # the host crashed, and SIGKILL ended everything on it
        status: int | None = reply["status"]
        return status

    def run(
        self, argv: Sequence[str], *, text: str = "", timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` to its end with `text` as its input. After `timeout` seconds: SIGKILL, and
        TimeoutError."""
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            stdin.write(text.encode())
            stdin.seek(0)
            spawned = self.spawn(
                argv, environment(), stdin.fileno(), stdout.fileno(), stderr.fileno()
            )
            try:
                if not ended(spawned.pidfd, timeout):
                    signal_kill(spawned.pidfd)
                    raise TimeoutError(f"{self._name}: {argv} took more than {timeout:g} s")
            finally:
                os.close(spawned.pidfd)
            status = self.status(spawned.inner_pid)
            stdout.seek(0)
            stderr.seek(0)
            return subprocess.CompletedProcess(
                list(argv),
                -9 if status is None else status,
                stdout.read().decode(errors="replace"),
                stderr.read().decode(errors="replace"),
            )

    def must(self, argv: Sequence[str], *, text: str = "") -> str:
        """Run a command of the lab itself, which has to succeed; returns its output."""
        done = self.run(argv, text=text)
        if done.returncode:
            raise LabError(f"{self._name}: {' '.join(argv)} failed: {done.stderr.strip()}\n{text}")
        return done.stdout

    def close(self) -> None:
        """End the agent; the kernel kills all processes inside. Returns when they have ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.alive = False
            self._sock.close()
        gone = ended(self._ending, END_WITHIN)
        if not gone:
            signal_kill(self._ending)
        os.close(self._ending)

    def _ask(
        self, request: Mapping[str, object], fds: Sequence[int]
    ) -> tuple[dict[str, Any], list[int]]:
        with self._lock:
            if not self.alive:
                raise LabError(f"{self._name} is not running (it crashed, or the lab has ended)")
            try:
                socket.send_fds(self._sock, [json.dumps(request).encode()], fds)
                data, handles, _flags, _address = socket.recv_fds(
                    self._sock, 65536, 1, socket.MSG_CMSG_CLOEXEC
                )
            except TimeoutError:
                self.alive = False  # a late answer would be taken for that of the next request
                self._sock.close()
                raise TimeoutError(
                    f"{self._name} did not answer in {ANSWER_WITHIN:g} s: machine overloaded?"
                ) from None
            except ConnectionError:
                data, handles = b"", []
        if not data:
            raise LabError(f"the first process of {self._name} is gone: somebody killed it")
        return json.loads(data), handles


def start_world(log: int) -> tuple[Anchor, subprocess.Popen[bytes]]:
    """A private namespace on this machine, as root or as an ordinary user."""
    attempts = [AS_ORDINARY_USER] if os.geteuid() else [(), AS_ORDINARY_USER]
    before = os.lseek(log, 0, os.SEEK_END)
    for options in attempts:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                ["unshare", *options, *NAMESPACES, *agent_command("lab")],
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,  # Ctrl-C ends the lab, not single processes in it
            )
        if _ready(ours):
            return Anchor(ours, os.pidfd_open(process.pid), "the lab"), process
        ours.close()
        process.kill()
        process.wait()
    raise LabError(NO_NAMESPACES.format(reason=os.pread(log, 4096, before).decode().strip()))


def start_host(world: Anchor, name: str, log: int) -> tuple[Anchor, int]:
    """Start a host inside `world`; returns it, and the PID for `ip link … netns PID`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        spawned = world.spawn(
            ["unshare", *NAMESPACES, *agent_command(name)],
            environment(),
            theirs.fileno(),
            log,
            log,
        )
    if not _ready(ours):
        raise LabError(f"cannot make the host {name}: {os.pread(log, 4096, 0).decode().strip()}")
    return Anchor(ours, spawned.pidfd, name), spawned.inner_pid


def agent_command(name: str) -> list[str]:
    """Python without site packages: starts fast, and does not depend on installed packages."""
    return [sys.executable, "-I", "-S", str(AGENT), name]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment, with system directories in PATH, locale C, and this vipd importable."""
    package_root = str(Path(__file__).parents[2])
    python_path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PATH": search_path(),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": f"{package_root}{os.pathsep}{python_path}" if python_path else package_root,
        **(extra or {}),
    }


def ended(pidfd: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for the end of a process; return whether it has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def signal_kill(pidfd: int) -> None:
    """Send SIGKILL by pidfd; does nothing if the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _ready(sock: socket.socket) -> bool:
    sock.settimeout(ANSWER_WITHIN)
    try:
        return sock.recv(64) == b'{"ready": true}'
    except (TimeoutError, ConnectionError):
        return False
