"""The first process (PID 1) of a lab and of each of its hosts: starts processes on request.

Runs as a plain script (`python -I -S agent.py`), so it imports nothing of vipd and little of the
standard library: it starts in some 15 ms. Its standard input is a SOCK_SEQPACKET socket; the lab
has the other end. Each message is one JSON object, and gets one as answer:

    {"spawn": [argv…], "env": {…}} + three descriptors (stdin, stdout, stderr)
        → {"pid": PID} + one pidfd, or {"error": text, "errno": number}
    {"status": PID} → {"status": exit status, -signal, or null while it runs}

When the lab ends, in whatever way, the socket closes and this process exits. The kernel then kills
all other processes in the PID namespace. No other clean-up is needed.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

LARGEST_MESSAGE = 1 << 18


class Agent:
    """Owns the socket to the lab and the exit statuses of the processes it started."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.statuses: dict[int, int | None] = {}

    def serve(self) -> None:
        """Answer requests until the lab closes its end."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while True:
            ready = {fd for fd, _events in poll.poll()}
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                self.reap()
            if self.sock.fileno() in ready and not self.answer():
                return

    def answer(self) -> bool:
        """Serve one request; False when the lab has ended."""
        data, fds, _flags, _address = socket.recv_fds(
            self.sock, LARGEST_MESSAGE, 3, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        request = json.loads(data)
        reply: dict[str, Any]
        handles: list[int] = []
        if "spawn" in request:
            reply, handles = self.spawn(request["spawn"], request["env"], fds)
        else:
            self.reap()
            reply = {"status": self.statuses.get(request["status"])}
        socket.send_fds(self.sock, [json.dumps(reply).encode()], handles)
        for fd in (*fds, *handles):
            os.close(fd)
        return True

    def spawn(
        self, argv: list[str], env: dict[str, str], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Start a process in a session of its own, with `fds` as its standard streams."""
        os.environ["PATH"] = env.get("PATH", os.defpath)  # posix_spawnp searches our PATH
        try:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores these two
            )
        except OSError as error:
            return {"error": f"{argv[0]}: {error.strerror}", "errno": error.errno}, []
        # Only reap() collects our children, so the PID is still in use by this one.
        self.statuses[pid] = None
        return {"pid": pid}, [os.pidfd_open(pid)]

    def reap(self) -> None:
        """Collect the processes that have ended, including orphans of daemons that fork twice."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.statuses:
                self.statuses[pid] = os.waitstatus_to_exitcode(status)


def main() -> None:
    """Take the socket from standard input, report that we are ready, and serve."""
    sock = socket.socket(fileno=os.dup(0))
    if len(sys.argv) > 1:
        with contextlib.suppress(PermissionError):  # the name is not essential
            socket.sethostname(sys.argv[1])
    with contextlib.suppress(ConnectionError):
        sock.send(b'{"ready": true}')
        Agent(sock).serve()


if __name__ == "__main__":
    main()
