"""vipd with a window in it: after SIGRTMIN it says what is in there; a program of its own.

    python -m soak.window FILE [--trace] [vipd's own arguments]

FILE gets a line of JSON for each SIGRTMIN: the tasks of the loop by name, the threads, the blocks
of memory that Python has handed out and not got back, and the objects that the collector knows, by
type; with --trace (which slows it down and makes it larger)
also which lines of the source hold how much memory.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import tracemalloc
from collections import Counter
from types import FrameType

from vipd.daemon import __main__ as vipd

_MANY = 40  # types and lines that are told of, the most numerous


def _look(file: int) -> None:
    gc.collect()  # what nobody holds is not left over
    tasks = Counter(task.get_name().rstrip("0123456789") for task in asyncio.all_tasks())
    types = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())
    report: dict[str, object] = {
        "blocks": sys.getallocatedblocks(),
        "tasks": dict(tasks),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "types": dict(types.most_common(_MANY)),
    }
    if tracemalloc.is_tracing():
        found = tracemalloc.take_snapshot().statistics("lineno")[:_MANY]
        report["lines"] = {str(one.traceback): one.size for one in found}
    os.write(file, json.dumps(report).encode() + b"\n")


def main() -> None:
    file = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if sys.argv[1:2] == ["--trace"]:
        del sys.argv[1]
        tracemalloc.start()

    def asked(_number: int, _frame: FrameType | None) -> None:
        # in the loop, as one of its callbacks: asyncio.all_tasks() wants to be asked there
        asyncio.get_event_loop().call_soon(_look, file)

    signal.signal(signal.SIGRTMIN, asked)
    vipd.main()


if __name__ == "__main__":
    main()
