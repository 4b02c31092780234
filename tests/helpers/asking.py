"""A varlink client of a few lines, which can also misbehave: sockets and JSON, nothing of ours."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vipd.lab import Process
from vipd.lab.host import RUNTIME_DIR
from vipd.lab.waiting import wait_until


def socket_of(daemon: Process) -> Path:
    """Where a daemon's socket is, as seen from here; it may not be there yet."""
    return Path(f"/proc/{daemon.pid}/root{RUNTIME_DIR}/io.vipd")


class RefusedError(Exception):
    """An error came as the answer."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        super().__init__(name, parameters)
        self.name = name.removeprefix("io.vipd.").removeprefix("org.varlink.service.")
        self.parameters = parameters


class Client:
    """One connection; `with` closes it."""

    def __init__(self, daemon: Process, timeout: float = 30, patience: float = 60) -> None:
        """``patience``: how long it may take until the daemon listens, seconds."""
        path = str(socket_of(daemon))

        def connect() -> socket.socket | None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(timeout)
                connection.connect(path)
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                # It does not listen yet, or too many others are connecting.
                connection.close()
                return None
            return connection

        self.socket = wait_until(
            connect, timeout=patience, complaint=lambda: f"nobody listens on {path}{daemon.tail()}"
        )
        self._rest = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, *, more: bool = False, **parameters: Any) -> None:
        """Call without waiting for the answer."""
        name = method if "." in method else f"io.vipd.{method}"
        call = {"method": name, "parameters": parameters, "more": more}
        self.socket.sendall(json.dumps(call).encode() + b"\0")

    def answer(self) -> dict[str, Any]:
        """The next answer as it came; EOFError when there is none."""
        while b"\0" not in self._rest:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if "error" in answer:
            raise RefusedError(answer["error"], answer.get("parameters", {}))
        return answer

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call, and return what was answered."""
        self.send(method, **parameters)
        answer: dict[str, Any] = self.answer().get("parameters", {})
        return answer

    def stream(self, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Call a method that answers more than once."""
        self.send(method, more=True, **parameters)
        continues = True
        while continues:
            answer = self.answer()
            continues = answer.get("continues", False)
            yield answer["parameters"]

    def vips(self, *ids: str) -> dict[str, dict[str, Any]]:
        """What List says, by ID."""
        answers = self.stream("List", ids=list(ids) or None)
        return {vip["id"]: vip for answer in answers for vip in answer["vips"]}

    def history(self, *ids: str) -> list[dict[str, Any]]:
        answers = self.stream("History", ids=list(ids) or None)
        return [event for answer in answers for event in answer["events"]]

    def problems(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("Problems")["problems"]
        return found


def ask(daemon: Process, method: str, **parameters: Any) -> dict[str, Any]:
    """One call on a connection of its own."""
    with Client(daemon) as client:
        return client.ask(method, **parameters)


def vip_of(daemon: Process, identifier: str = "001") -> dict[str, Any]:
    """What List says of one VIP."""
    with Client(daemon) as client:
        return client.vips(identifier)[identifier]
