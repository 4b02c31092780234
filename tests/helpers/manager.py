"""A stand-in for systemd: it listens to what a service says about itself."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Manager:
    """`said`: (time.monotonic(), what the datagram said, as KEY → VALUE), in order."""

    path: Path
    socket: socket.socket
    said: list[tuple[float, dict[str, str]]] = field(default_factory=list)

    def hear(self, seconds: float = 0.0) -> None:
        """Listen for so long."""
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                text = self.socket.recv(65536).decode()
            except TimeoutError:
                return
            lines = (line.partition("=") for line in text.splitlines())
            self.said.append((time.monotonic(), {key: value for key, _, value in lines}))

    def wait_for(self, key: str, value: str | None = None, timeout: float = 60.0) -> dict[str, str]:
        """Wait for a new datagram with this key (and value); all up to it are forgotten."""
        deadline = time.monotonic() + timeout
        while True:
            while self.said:
                _, words = self.said.pop(0)
                if key in words and value in (None, words[key]):
                    return words
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody said {key}={value or '…'}")
            self.hear(0.05)

    def times(self, key: str) -> list[float]:
        """When it was said."""
        return [moment for moment, words in self.said if key in words]


@contextmanager
def listening(directory: Path) -> Iterator[Manager]:
    """A manager whose NOTIFY_SOCKET is in this directory."""
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        yield Manager(path, sock)
