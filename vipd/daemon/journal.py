"""Log lines: to stderr, with the priorities the journal reads."""

import logging
import sys
from collections.abc import Callable, Hashable, MutableMapping
from typing import Any, TextIO

_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
LEVELS = ("debug", "info", "warning", "error")

log = logging.getLogger("vipd")


class _Formatter(logging.Formatter):
    """``<4>001: Switching to state: MASTER``: sd-daemon(3) priorities for the journal and for
    files, the level's name for a person at a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s" if terminal else "%(message)s")
        self._terminal = terminal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self._terminal:
            return text
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in text.splitlines() or [""])


class VipLog(logging.LoggerAdapter[logging.Logger]):
    """A log in which every line begins with the VIP's ID."""

    def __init__(self, vip: str) -> None:
        super().__init__(log, {})
        self._vip = vip

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return f"{self._vip}: {msg}", kwargs


def printable(text: str) -> str:
    """Text from outside (a script's output, a packet) as it may stand in a log line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def start(level: str, stream: TextIO = sys.stderr) -> None:
    """Send log lines of ``level`` (one of LEVELS) and above to ``stream``."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(stream.isatty()))
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
    logging.raiseExceptions = False  # a full disk behind stderr must not stop the daemon


class Complaints:
    """The same complaint once a minute at most, whatever happens in between."""

    EVERY = 60.0  # seconds
    _LIMIT = 1000  # kinds remembered; somebody who forges more gets them all forgotten

    def __init__(self, to: "logging.Logger | VipLog", clock: Callable[[], float]) -> None:
        self._log = to
        self._clock = clock
        self._said: dict[Hashable, float] = {}

    def say(self, kind: Hashable, text: Callable[[], str], level: int = logging.WARNING) -> None:
        """Log ``text()``, if it is not empty, unless something of this ``kind`` was looked at in
        the last minute."""
        now = self._clock()
        if now - self._said.get(kind, -self.EVERY) < self.EVERY:
            return
        if len(self._said) >= self._LIMIT:
            self._said.clear()
        self._said[kind] = now
        if message := text():
            self._log.log(level, "%s", message)
