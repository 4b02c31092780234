"""Logging: lines with fields, each about one event."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from enum import Enum
from typing import Any, TextIO

from vipd.daemon.log import formats
from vipd.daemon.log.outlet import JOURNAL, Journal, Outlet, Stream

Fields = Mapping[str, object]
"""The fields of a line, by name: id, vhid, interface, state, reason. Never a password."""

_ONLY_WORDS = "only_words"
#: Loggers of libraries in this process, and of their warnings.
_OTHERS = ("asyncio", "watchdog", "py.warnings")


class Log(logging.LoggerAdapter[logging.Logger]):
    """A log whose lines have the fields of `about()`, and those that a call adds with
    ``extra={"reason": …}``."""

    def __init__(self, about: Callable[[], Fields] = dict, prefix: str = "") -> None:
        super().__init__(logging.getLogger("vipd"), {})
        self._about = about
        self._prefix = prefix

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        fields = {**self._about(), **kwargs.get("extra", {})}
        only_words = fields.pop(_ONLY_WORDS, False)
        kwargs["extra"] = {"fields": fields, "prefix": self._prefix, _ONLY_WORDS: only_words}
        return msg, kwargs

    def words(self, message: str) -> None:
        """A WARNING that users' scripts wait for and that has no new information: for text only."""
        self.warning("%s", message, extra={_ONLY_WORDS: True})


log = Log()


class VipLog(Log):
    """The log of one VIP; as text, every line begins with its ID."""

    def __init__(self, vip: str, about: Callable[[], Fields] = dict) -> None:
        super().__init__(lambda: {"id": vip, **about()}, f"{vip}: ")


def printable(text: str) -> str:
    """Replace characters that must not be in a log line, in text from a script or a packet."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def explained(what: str, error: BaseException | None) -> str:
    """What failed, why, and what to do, in one line for people; then the lines of the traceback."""
    why = f": {type(error).__name__}: {error}" if error else ""
    first = printable(f"{what} failed{why}; this is a mistake in vipd: please report these lines")
    frames = traceback.format_tb(error.__traceback__) if error else []
    return "\n".join((first, *(line for frame in frames for line in frame.splitlines())))


def word(reason: Hashable) -> str:
    """A reason (an Enum's member, or a kind of `RateLimitedProblems`) in machine-readable form:
    MASTER_DOWN.
    """
    return reason.name if isinstance(reason, Enum) else str(reason).replace(" ", "_")


def start(level: str, form: str = "text", stream: TextIO = sys.stderr) -> Outlet:
    """Send log lines of ``level`` (a --log-level) and above to ``stream``, in the ``form`` of
    --log-format; or to the journal, with their fields, if ``stream`` is connected to it.
    """
    outlet = _outlet(form, stream)
    if form != "text":
        outlet.addFilter(lambda record: not getattr(record, _ONLY_WORDS, False))
    send_to(outlet)
    log.setLevel(level.upper())
    return outlet


def send_to(*handlers: logging.Handler) -> None:
    """Send all lines to these handlers only, those of libraries, too."""
    for name in (log.logger.name, *_OTHERS):
        logger = logging.getLogger(name)
        logger.handlers[:] = handlers
        logger.propagate = False
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # an error in logging must not stop the daemon


def _outlet(form: str, stream: TextIO) -> Outlet:
    if _leads_to_journal(stream) and JOURNAL.exists():
        message = formats.formatter(form, priorities=False)
        return Outlet(lambda record: formats.entry(record, message.format(record)), Journal())
    terminal = stream.isatty()
    lines = formats.formatter(form, priorities=not terminal, clock=terminal)
    return Outlet(
        lambda record: f"{lines.format(record)}\n".encode(errors="backslashreplace"),
        Stream(stream.fileno()),
    )


def _leads_to_journal(stream: TextIO) -> bool:
    """$JOURNAL_STREAM is the device and inode of a service's stderr (systemd.exec(5))."""
    file = os.fstat(stream.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"
