"""The daemon's side of the process that reads the files (`vipd.daemon.files.reading`)."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from vipd.linux.spawn import spawn

#: `vipd.daemon.files.reading.DAEMON`. This module is imported first, and imports next to nothing.
_DAEMON = 3
_ROOT = Path(__file__).parents[3]
_PROGRAM = "import sys; sys.path[:] = {!r}; from vipd.daemon.files.reading import main; main()"
#: Variables that are not for it: who writes to systemd in our name would be rejected.
_OURS_ALONE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ReadingProcess:
    """Starts it; it waits for its order. Raises OSError. Loading a program may hang: use this in a
    thread, or before there is anything to hold up."""

    def __init__(self) -> None:
        self.connection, its = socket.socketpair()
        try:
            paths = [*filter(None, sys.path), str(_ROOT)]
            # Without site, which the first line of its program makes up for.
            flags = "-IS" + "B" * sys.dont_write_bytecode
            command = (sys.executable, flags, "-c", _PROGRAM.format(paths))
            environment = {k: v for k, v in os.environ.items() if k not in _OURS_ALONE}
            self._process = spawn(command, environment, {_DAEMON: its.fileno()})
        except BaseException:
            self.connection.close()
            raise
        finally:
            its.close()

    def end(self) -> int | None:
        """Close the connection, at which it ends, and wait for that; its wait status. None: it was
        reaped as an orphan, as the first process of a container does."""
        self.connection.close()
        with suppress(ChildProcessError):
            return os.waitpid(self._process, 0)[1]
        return None
