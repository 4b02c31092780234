"""The logs: output of the lab's processes."""

import fcntl
import os
import tempfile
from pathlib import Path


class Logs:
    """Unnamed files, which the kernel deletes however the lab ends; or files in a directory."""

    def __init__(self, keep: Path | None) -> None:
        self.keep = keep
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)

    def open(self, host: str, name: str) -> int:
        """Open a new log for appending and reading; the caller closes the descriptor."""
        folder = self.keep or Path(tempfile.gettempdir())
        fd, path = tempfile.mkstemp(prefix=f"{host}-{name}-", suffix=".log", dir=folder)
        # A daemon and its scripts share it: every write has to be appended.
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
        if self.keep is None:
            Path(path).unlink()
        return fd
