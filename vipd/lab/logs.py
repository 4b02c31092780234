"""Where the output of the lab's processes goes."""

import fcntl
import os
import tempfile
from pathlib import Path


class Logs:
    """Files without a name, which vanish however the lab ends, or named ones in a directory."""

    def __init__(self, keep: Path | None) -> None:
        self.keep = keep
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)

    def open(self, host: str, name: str) -> int:
        """A new log to append to and to read; the caller closes the descriptor."""
        folder = self.keep or Path(tempfile.gettempdir())
        fd, path = tempfile.mkstemp(prefix=f"{host}-{name}-", suffix=".log", dir=folder)
        # A daemon and its scripts share it: every write has to go to the end.
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
        if self.keep is None:
            Path(path).unlink()
        return fd
