"""The guard's log lines, in the form of the daemon's (`vipd.daemon.log.formats`), whose logging
would cost it more memory than all the rest. It imports next to nothing."""

import os
import select
from time import gmtime, strftime, time

#: As --log-format, and what ucarp's command line has: text without a priority.
TEXT, KEY_VALUE, JSON, PLAIN = "text", "kv", "json", "plain"


def write(form: str, lines: "list[tuple[str, str]]") -> None:
    """Write warnings about VIPs to stderr, as far as they are taken at once: nobody's slowness
    keeps the guard from acting, or from ending."""
    out = select.poll()
    out.register(2, select.POLLOUT)
    for vip, words in lines:
        if not out.poll(0):
            return
        try:
            os.write(2, f"{line(form, vip, words)}\n".encode(errors="backslashreplace"))
        except OSError:
            return


def line(form: str, vip: str, words: str) -> str:
    """A warning about a VIP."""
    if form in (KEY_VALUE, JSON):
        now = time()
        moment = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(now))}.{int(now % 1 * 1000):03}Z"
        fields = {"time": moment, "level": "warning", "id": vip, "reason": "guard"}
        fields["message"] = words
        if form == JSON:
            return f"{{{', '.join(f'{_quoted(k)}: {_quoted(v)}' for k, v in fields.items())}}}"
        return " ".join(f"{k}={v if _plain(v) else _quoted(v)}" for k, v in fields.items())
    prefix = "" if form == PLAIN or os.isatty(2) else "<4>"
    return f"{prefix}{_printable(vip)}: {_printable(words)}"


def _plain(value: str) -> bool:
    return value != "" and value.isprintable() and not set(value) & set(' "=\\')


def _quoted(value: str) -> str:
    """A string of JSON."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(escaped)}"'


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
