"""The process that reads the files for the daemon, checks what they say, and ends.

What reading and checking needs (the language of the files, pydantic) is 20 MB that the daemon
itself has no use for in between. In a process of its own, reading also computes beside the loop.

It gets one `Order`, answers with the paths that it is about to read (text), and then with what it
has `Found`, or how it failed (`Failed`).
"""

import gc
import os
import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import BinaryIO

from vipd.config.model import Settings, VipConfig
from vipd.config.snapshot import Snapshot

#: The descriptor of its connection with the daemon.
DAEMON = 3
NAME = "vipd-reading"
#: Its exit status when vipd was updated after the daemon had started.
OTHER_VERSION = 3


@dataclass(frozen=True, slots=True)
class Order:
    """Read ``directory``; ``only``: the ID of the only VIP whose file counts. ``asked``: a file
    that is gone counts as removed at once. ``now``: seconds of the daemon's clock. ``memory``: what
    the last process left for this one, or nothing."""

    directory: Path
    only: str | None
    asked: bool
    now: float
    memory: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What the files say, and what the next process has to know."""

    snapshot: Snapshot
    memory: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """Reading failed by a mistake: ``why``, and where."""

    why: str


def shape() -> tuple[tuple[str, ...], ...]:
    """What travels between the two: another one means that vipd was updated while it ran."""
    models = VipConfig, Settings, Snapshot, Order, Found
    return tuple(tuple(field.name for field in fields(model)) for model in models)


def main() -> None:
    """Everything is imported before the order is read: the first process is started early."""
    gc.disable()  # it ends soon
    with suppress(OSError):  # for ps
        Path("/proc/self/comm").write_text(NAME)
    from vipd.config import load, memory  # noqa: F401

    # The daemon may end at any moment; closing a stream writes what is left in it, too.
    with (
        suppress(ConnectionError),
        os.fdopen(DAEMON, "rb") as orders,
        os.fdopen(os.dup(DAEMON), "wb") as answers,
    ):
        try:
            if pickle.load(orders) != shape():
                sys.exit(OTHER_VERSION)
            order: Order = pickle.load(orders)
        except EOFError:  # it has ended
            return
        _carry_out(order, answers)
    # The daemon waits for the end: to free every object before would take 15 ms.
    os._exit(0)


def _carry_out(order: Order, answers: BinaryIO) -> None:
    """Raises ConnectionError when the daemon has ended."""
    from vipd.config.load import loading
    from vipd.config.memory import Memory

    def tell(answer: str | Found | Failed) -> None:
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    memory: Memory = pickle.loads(order.memory) if order.memory else Memory()
    memory.reading = tell
    memory.begin(order.now, asked=order.asked)
    try:
        for snapshot in loading(order.directory, only=order.only, memory=memory):
            if snapshot is not None:
                # Nobody in the daemon asks where a setting stands.
                snapshot = replace(snapshot, places={}, unset={})
                tell(Found(snapshot, pickle.dumps(memory)))
    except ConnectionError:
        raise
    except Exception as error:
        import traceback

        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}:{frame.lineno}, in {frame.name}"
        tell(Failed(f"{type(error).__name__}: {error} ({where})"))
