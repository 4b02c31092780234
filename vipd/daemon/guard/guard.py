"""The guard: carries out the wills of a daemon that has died, or that its leases have outlasted.

It waits for the end of its connection with the daemon, and for the end of the earliest lease
(`vipd.daemon.guard.leases`). While all is well, that is one wake-up for each lease: by then it has
been renewed. No input from the network reaches it, and no signal but SIGKILL and SIGSTOP.

It imports next to nothing: its memory is that of the interpreter.
"""

import _socket
import os
import select
import sys
from errno import EAGAIN
from time import CLOCK_MONOTONIC, clock_gettime_ns

from vipd.daemon.cleanup import farewell
from vipd.daemon.guard import lines
from vipd.daemon.guard.leases import NEVER, Leases

#: Descriptors that it is started with: the connection with the daemon, and the shared memory.
DAEMON, MEMORY = 3, 4
#: Between these: number of the place, ID, path of the will's file or "", and the will.
SEPARATOR = b"\0"
#: Bytes of a message at most.
LONGEST = 1 << 21
NAME = "vipd-guard"

_MILLISECOND = 1_000_000
#: Nanoseconds for which a daemon that runs may be late with giving up by itself.
_MARGIN = 10 * _MILLISECOND
#: Nanoseconds after the others' time is up for which a final advertisement still helps. After that
#: one of them is master: a final advertisement of ours might make a third host replace it.
_STILL_BELIEVED = 100 * _MILLISECOND


def _now() -> int:
    return clock_gettime_ns(CLOCK_MONOTONIC)


class Charge:
    """A VIP's will. Raises ValueError if the message has none."""

    __slots__ = ("_file", "_will", "place", "vip")

    def __init__(self, message: bytes) -> None:
        place, vip, file, will = message.split(SEPARATOR, 3)
        self.place = int(place)
        self.vip = vip.decode()
        self._file = file
        self._will = farewell.understood(will)

    def carry_out(self, tools: farewell.Tools, bow_out: bool, what: str) -> str:
        """Do it, and delete the file; return the outcome as text. Never raises."""
        try:
            done = farewell.fulfil(self._will, tools, bow_out, what)
        except OSError as error:
            return f"its will was not carried out: {error}; {farewell.MEANWHILE}"
        if self._file:
            self._delete()
        return done

    def _delete(self) -> None:
        try:
            os.unlink(self._file)  # noqa: PTH108
        except OSError:  # it was not written yet; or vipd-farewell will find nothing to do
            return


class Guard:
    """``daemon``: the connection with it, which does not block. ``form``: of log lines."""

    def __init__(self, daemon: _socket.socket, leases: Leases, form: str) -> None:
        self._daemon = daemon
        self._leases = leases
        self._charges: dict[int, Charge] = {}
        self._tools = farewell.Tools()
        self._form = form
        self._said: list[tuple[str, str]] = []  # VIP and words

    def run(self) -> None:
        """Return when the daemon has ended, and the wills are carried out."""
        poll = select.poll()
        poll.register(self._daemon.fileno(), select.POLLIN)
        while self._listen():
            self._end_leases()
            lines.write(self._form, self._said)
            self._said.clear()
            poll.poll(self._pause())
        for charge in self._charges.values():
            if self._leases.until(charge.place):
                self._carry_out(charge, "was killed")
        lines.write(self._form, self._said)

    def _listen(self) -> bool:
        """Take what the daemon sends; return whether it still lives."""
        while True:
            try:
                message = self._daemon.recv(LONGEST)
            except OSError as error:
                return error.errno == EAGAIN
            if not message:
                return False
            try:
                charge = Charge(message)
            except ValueError as error:
                self._said.append(("guard", f"it was told nonsense: {error}; please report this"))
            else:
                self._charges[charge.place] = charge

    def _end_leases(self) -> None:
        now = _now()
        for charge in list(self._charges.values()):
            until = self._leases.until(charge.place)
            if not until or until + _MARGIN > now or self._leases.taken(charge.place):
                continue
            self._leases.take(charge.place)
            self._carry_out(charge, "did not renew its lease in time")
            del self._charges[charge.place]  # another will comes with the next lease

    def _carry_out(self, charge: Charge, what: str) -> None:
        believed = _now() < self._leases.believed(charge.place) + _STILL_BELIEVED
        self._said.append((charge.vip, charge.carry_out(self._tools, believed, what)))

    def _pause(self) -> float | None:
        """Milliseconds until the earliest lease ends; None: none does."""
        ends = [
            until
            for place in self._charges
            if (until := self._leases.until(place)) and not self._leases.taken(place)
        ]
        first = min(ends, default=NEVER)
        if first == NEVER:
            self._leases.next_look = NEVER
            return None
        self._leases.next_look = first + _MARGIN
        return max(0, -((_now() - first - _MARGIN) // _MILLISECOND))


def main() -> None:
    """What the daemon starts (`vipd.daemon.guard.keeper`)."""
    try:
        name = os.open("/proc/self/comm", os.O_WRONLY)
        os.write(name, NAME.encode())
        os.close(name)
    except OSError:  # no /proc: it has the interpreter's name
        pass
    farewell.hurry()
    leases = Leases(MEMORY)
    os.close(MEMORY)
    daemon = _socket.socket(fileno=DAEMON)
    daemon.setblocking(False)
    Guard(daemon, leases, sys.argv[1]).run()
    os._exit(0)  # not by closing the packet socket first, which takes the kernel 10 ms
