"""The guard: carries out the wills of a daemon that has died, or that its leases have outlasted.

It waits for the end of its connection with the daemon, and for the end of the earliest lease
(`vipd.daemon.guard.leases`). While all is well, that is one wake-up for each lease: by then it has
been renewed. No input from the network reaches it, and no signal but SIGKILL and SIGSTOP.

Addresses that have no lease are removed by their DOWNSCRIPT. It runs after everything else that is
to be done at that moment, and the guard does not wait for it.

It imports next to nothing: its memory is that of the interpreter.
"""

import _socket
import os
import sys
from errno import EAGAIN
from time import CLOCK_MONOTONIC, clock_gettime_ns, sleep

from vipd.daemon.cleanup import farewell, last_scripts
from vipd.daemon.guard import lines
from vipd.daemon.guard.duty import KILLED, SILENT, Duty
from vipd.daemon.guard.leases import NEVER, Leases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vipd.daemon.guard.duty import Charge as SomeCharge

#: Descriptors that it is started with: the connection with the daemon, and the shared memory.
DAEMON, MEMORY = 3, 4
#: Between these: number of the place, ID, path of the will's file or "", and the will.
SEPARATOR = b"\0"
#: Bytes of a message at most.
LONGEST = 1 << 21
NAME = "vipd-guard"

_MILLISECOND = 1_000_000  # nanoseconds
#: Seconds for which wills gather in the kernel. A take-over of a thousand addresses has as many,
#: and to wake up for each of them would keep the daemon from going on: the guard goes first.
_GATHER = 0.005
#: Milliseconds between two looks whether the next daemon has come.
_GLANCE = 100


def _now() -> int:
    return clock_gettime_ns(CLOCK_MONOTONIC)


class Charge:
    """A VIP's will. Raises ValueError if the message has none. ``script``: its DOWNSCRIPT, if it is
    to run."""

    __slots__ = ("_file", "_will", "place", "script", "vip")

    def __init__(self, message: bytes) -> None:
        place, vip, file, will = message.split(SEPARATOR, 3)
        self.place = int(place)
        self.vip = vip.decode()
        self._file = file
        self._will = farewell.understood(will)
        self.script = last_scripts.in_will(will)

    def carry_out(self, tools: farewell.Tools, bow_out: bool, what: str) -> str:
        """Do it, and delete the file unless the script has to run yet; return the outcome as text.
        Never raises."""
        try:
            ended = what == SILENT
            done = farewell.fulfil(self._will, tools, bow_out, what, lease_ended=ended)
        except OSError as error:
            return f"its will was not carried out: {error}; {farewell.MEANWHILE}"
        if not self.script:
            self.delete()
        return done

    def script_ended(self, tools: farewell.Tools, bow_out: bool, status: int | None) -> str:
        """The rest of it; likewise."""
        return farewell.fulfil_later(self._will, tools, bow_out, status)

    @property
    def written(self) -> bool:
        """Whether its file is there."""
        return self._file != b"" and os.access(self._file, os.F_OK)

    def delete(self) -> None:
        try:
            os.unlink(self._file)  # noqa: PTH108
        except OSError:  # it was not written yet; or vipd-farewell will find nothing to do
            return


class Guard:
    """``daemon``: the connection with it, which does not block. ``form``: of log lines."""

    def __init__(self, daemon: _socket.socket, leases: Leases, form: str) -> None:
        self._daemon = daemon
        self._leases = leases
        self._duty = Duty(leases, _now, self._carry_out)
        self._tools = farewell.Tools()
        self._form = form
        self._said: list[tuple[str, str]] = []  # VIP and words
        self._scripts = last_scripts.LastScripts()
        self._pending: dict[int, Charge] = {}  # whose script is to run, or runs
        self._alone = False  # the daemon has ended

    def run(self) -> None:
        """Return when the daemon has ended, and the wills are carried out."""
        while self._listen():
            self._duty.end_leases()
            self._scripts.look()
            self._log()
            self._scripts.sleep(self._pause(), self._daemon.fileno())
        self._alone = True
        self._duty.daemon_ended()
        self._log()
        self._finish()

    def _finish(self) -> None:
        """Until no script runs. The next daemon deletes their wills when it starts, and runs them
        itself."""
        written = [charge for charge in self._pending.values() if charge.written]
        while self._scripts.keys:
            for charge in written:
                if charge.place in self._pending and not charge.written:
                    self._scripts.cancel(charge.place)
                    del self._pending[charge.place]
            self._scripts.look()
            self._log()
            self._scripts.sleep(_GLANCE)
        self._log()

    def _log(self) -> None:
        lines.write(self._form, self._said)
        self._said.clear()

    def _listen(self) -> bool:
        """Take what the daemon sends; return whether it still lives."""
        gathered = False
        while True:
            try:
                message = self._daemon.recv(LONGEST)
            except OSError as error:
                return error.errno == EAGAIN
            if not message:
                return False
            try:
                self._duty.take_on(Charge(message))
            except ValueError as error:
                self._said.append(("guard", f"it was told nonsense: {error}; please report this"))
            if not gathered:
                sleep(_GATHER)
                gathered = True

    def _carry_out(self, charge: "SomeCharge", what: str) -> None:
        assert isinstance(charge, Charge)
        bow_out = self._duty.believed(charge.place)
        self._said.append((charge.vip, charge.carry_out(self._tools, bow_out, what)))
        if not charge.script:
            return

        def ended(status: int | None) -> None:
            del self._pending[charge.place]
            self._leases.end_script(charge.place, status == 0)
            # If the daemon has come back meanwhile, the file is a newer will's, and it advertises.
            still = self._alone or self._leases.taken(charge.place)
            bow_out = still and self._duty.believed(charge.place)
            done = charge.script_ended(self._tools, bow_out, status)
            self._said.append((charge.vip, done))
            if still:
                charge.delete()

        if charge.place not in self._pending:
            self._pending[charge.place] = charge
            why = last_scripts.KILLED if what == KILLED else {}
            self._scripts.add(charge.place, charge.script.because(why), ended)

    def _pause(self) -> float | None:
        """Milliseconds until the earliest lease ends; None: none does."""
        look = self._duty.next_look()
        return None if look == NEVER else max(0, -((_now() - look) // _MILLISECOND))


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
