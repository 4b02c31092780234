"""What vipd-ucarp logs, in ucarp's words: to the syslog, and to the terminal at first."""

import logging
import os
import re
import socket
from datetime import datetime
from logging.handlers import SysLogHandler

from vipd.daemon.log import logger
from vipd.daemon.log.logger import log
from vipd.daemon.log.outlet import Outlet, Stream

_SYSLOG = "/dev/log"
_FACILITIES = SysLogHandler.facility_names
_TRANSITION = re.compile(r"(Switching to state: \w+) \(.*\)")


class Say:
    """To the syslog, unless ``facility`` is None (--facility=none); to the ``terminal``, too, until
    -B has been read: warnings and errors to stderr, the rest to stdout."""

    def __init__(self) -> None:
        self.facility: int | None = _FACILITIES["daemon"]
        self.terminal = True

    def to(self, facility: str) -> None:
        if facility.lower() == "none":
            self.facility = None
        elif facility.lower() in _FACILITIES:
            self.facility = _FACILITIES[facility.lower()]
        else:
            log.error("Unknown syslog facility: [%s]", facility)

    def start(self) -> None:
        syslog = Outlet(self._entry, _Syslog())
        quiet, loud = Outlet(_line, Stream(1)), Outlet(_line, Stream(2))
        syslog.addFilter(lambda _: self.facility is not None)
        quiet.addFilter(lambda record: self.terminal and record.levelno < logging.WARNING)
        loud.addFilter(lambda record: self.terminal and record.levelno >= logging.WARNING)
        logger.send_to(syslog, quiet, loud)
        log.setLevel(logging.INFO)

    def _entry(self, record: logging.LogRecord) -> bytes:
        """RFC 3164 as syslog(3) writes it to the local socket."""
        priority = SysLogHandler.priority_map.get(record.levelname, "info")
        number = (self.facility or 0) << 3 | SysLogHandler.priority_names[priority]
        time = datetime.fromtimestamp(record.created).strftime("%b %e %T")
        return f"<{number}>{time} ucarp[{os.getpid()}]: {_words(record)}".encode(errors="replace")


def _words(record: logging.LogRecord) -> str:
    """The text as ucarp logs it, without a transition's reason: scripts compare whole lines."""
    event = getattr(record, "event", None)
    text = event.text if event else record.getMessage()
    return f"[{record.levelname}] " + _TRANSITION.sub(r"\1", text)


def _line(record: logging.LogRecord) -> bytes:
    time = datetime.fromtimestamp(record.created).isoformat(timespec="microseconds")
    return f"{time}: {_words(record)}\n".encode(errors="replace")


class _Syslog:
    """Sends each line as one datagram; never blocks."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __call__(self, data: bytes, /) -> int:
        return self._socket.sendto(data, _SYSLOG)
