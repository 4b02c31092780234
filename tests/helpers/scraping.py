"""A Prometheus of few words: asks a daemon on a lab host for its metrics, and reads them with the
parser of prometheus-client."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from helpers.hosts import until
from vipd.lab import Host, Process

PORT = 9112
LISTEN = f"127.0.0.1:{PORT}"

_ASK = """
import socket, sys
where, request = sys.argv[1], sys.argv[2].encode().decode("unicode_escape").encode()
if where.startswith("/"):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(where)
else:
    sock = socket.create_connection((where, int(sys.argv[3])), 5)
sock.settimeout(25)
sock.sendall(request)
while data := sock.recv(1 << 20):
    sys.stdout.buffer.write(data)
"""

Labels = dict[str, str]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    def value(self, name: str, **labels: str) -> float:
        """The value of the only time series of this name with (at least) these labels."""
        (value,) = self.values(name, **labels)
        return value

    def values(self, name: str, **labels: str) -> list[float]:
        return [value for has, value in self.series(name) if labels.items() <= has.items()]

    def series(self, name: str) -> list[tuple[Labels, float]]:
        """Every time series of this name."""
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name
        ]


def listening(files: Path, where: str = LISTEN) -> None:
    """Write METRICS_LISTEN."""
    (files / "vip-common.conf").write_text(f"METRICS_LISTEN={where}\n")


def ask(
    host: Host, request: str = "GET /metrics HTTP/1.1\\r\\n\\r\\n", where: str = "127.0.0.1"
) -> str:
    """What comes back for this request (with backslash escapes), all of it; "" if nothing does."""
    command = [sys.executable, "-I", "-S", "-c", _ASK, where, request, str(PORT)]
    return host.run(command, timeout=60).stdout


def scrape(host: Host, where: str = "127.0.0.1", path: str = "/metrics") -> Answer:
    """The metrics, or whatever is at this path."""
    reply = ask(host, f"GET {path} HTTP/1.1\\r\\nHost: {where}\\r\\n\\r\\n", where)
    assert reply, f"no answer{host.processes[-1].tail()}"
    head, _, text = reply.partition("\r\n\r\n") if "\r\n\r\n" in reply else reply.partition("\n\n")
    first, *lines = head.splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(text.encode())
    return Answer(int(first.split()[1]), headers, text)


def served(daemon: Process, where: str = LISTEN, since: int = 0) -> None:
    daemon.wait_for(f"metrics are served on {where.replace('[', '.')}", since=since)


def wait_until_told(host: Host, right: Callable[[Answer], bool]) -> Answer:
    """Scrape until the answer is `right`."""
    answers: list[Answer] = []

    def look() -> bool:
        answers.append(scrape(host))
        return right(answers[-1])

    until(look, lambda: answers[-1].text, timeout=60)
    return answers[-1]
