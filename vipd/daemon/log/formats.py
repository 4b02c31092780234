"""The formats of log lines: text as in ucarp, key=value, JSON, and the journal's."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from vipd.api.events import Event, Kind

#: sd-daemon(3), syslog(3)
_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
_DAEMON = 3  # the syslog facility, ucarp's default
#: Longest message of a journal entry, bytes: with its fields it fits into a datagram on any system.
_LONGEST = 32768


def formatter(form: str, *, priorities: bool, clock: bool = False) -> logging.Formatter:
    """A formatter for a --log-format. Only text may begin with ``<N>`` (`priorities`, sd-daemon(3))
    or with time and level (`clock`); the others have these as fields."""
    if form == "text":
        return _Text(priorities, clock)
    return _Structured(_logfmt if form == "kv" else _json)


def priority(record: logging.LogRecord) -> int:
    """The syslog priority of a line: 2, critical, to 7, debug."""
    return _PRIORITIES.get(record.levelno, 6)


def entry(record: logging.LogRecord, message: str) -> bytes:
    """A line in the format of the journal's socket (systemd.io/JOURNAL_NATIVE_PROTOCOL).

    A VIP's ID with leading zeros is there twice, so that both ``journalctl VIPD_ID=001`` and
    ``VIPD_ID=1`` find it: the journal compares bytes.
    """
    lines = [
        _assignment("MESSAGE", message[:_LONGEST]),
        _assignment("PRIORITY", priority(record)),
        _assignment("SYSLOG_IDENTIFIER", "vipd"),
        _assignment("SYSLOG_FACILITY", _DAEMON),
    ]
    fields = _fields(record)
    lines += [_assignment(f"VIPD_{name.upper()}", value) for name, value in fields.items()]
    identifier = str(fields.get("id", ""))
    if identifier.isascii() and identifier.isdigit() and str(int(identifier)) != identifier:
        lines.append(_assignment("VIPD_ID", int(identifier)))
    return b"".join(lines)


def _assignment(name: str, value: object) -> bytes:
    data = str(value).encode(errors="backslashreplace")
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


class _Text(logging.Formatter):
    """``<4>001: Switching to state: MASTER``"""

    def __init__(self, priorities: bool, clock: bool) -> None:
        words = "%(prefix)s%(message)s"
        super().__init__(
            f"%(asctime)s %(levelname)-7s {words}" if clock else words,
            defaults={"prefix": ""},
        )
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._priorities:
            return text
        prefix = f"<{priority(record)}>"
        return "\n".join(prefix + line for line in text.splitlines() or [""])


class _Structured(logging.Formatter):
    """Time, level, the fields, and the text as ``message``."""

    def __init__(self, written: Callable[[Mapping[str, object]], str]) -> None:
        super().__init__()
        self._written = written

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event: Event | None = getattr(record, "event", None)
        line: dict[str, object] = {
            "time": time.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            **_fields(record),
            "message": event.text if event else record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._written(line)


def _logfmt(line: Mapping[str, object]) -> str:
    """``level=warning id=001 message="Switching to state: MASTER"``"""
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in line.items())


def _quoted(value: str) -> str:
    plain = value.isprintable() and not set(value) & set(' "=\\') and value
    return value if plain else json.dumps(value, ensure_ascii=False)


def _json(line: Mapping[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    event: Event | None = getattr(record, "event", None)
    fields: Mapping[str, object] = _about(event) if event else getattr(record, "fields", {})
    told = {name: value for name, value in fields.items() if value not in (None, "")}
    # Every line has a reason: if the call gave none, the module that logs it, like scripts.
    return {**told, "reason": told.get("reason", record.module)}


def _about(event: Event) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": event.id,
        "vhid": event.vhid or None,
        "interface": event.interface,
        "state": event.state.value if event.state else None,
        "event": event.kind.name.lower(),
        "reason": event.code,
    }
    if event.kind is Kind.WAITING:
        fields["reason"] = event.text.partition(": ")[2] or event.code
    if event.transition:
        fields["reason"] = event.transition.reason.name
    if event.script:
        fields["script"] = event.script.which
    return fields
