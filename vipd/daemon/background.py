"""Work that may hang (a disk, a network file system, a directory service), beside the loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

#: How often to look whether a thread has ended, seconds.
_LOOK = 0.001


class Background:
    """One thread, for one piece of work at a time: what hangs holds one thread, however often it is
    asked for, and the calls that follow wait for it.

    Not asyncio.to_thread: the interpreter joins its threads when it ends, so that one that hangs in
    read(2) keeps the process from ending. And the thread stays, because to start one waits until it
    runs, and with --realtime that is an ordinary thread on a machine that may be busy.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work()`` returns or raises; RuntimeError when there can be no thread. Who is
        cancelled waits no longer; the work goes on, and nobody learns its outcome."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        outcome: _Outcome[T] = _Outcome(work)

        def call() -> None:
            outcome.find()
            with suppress(RuntimeError):  # the loop has ended: nobody wants to know
                loop.call_soon_threadsafe(done.set)

        if self._thread is None:
            thread = threading.Thread(target=_serve, args=(self._calls,), daemon=True)
            thread.start()
            self._thread = thread
        self._calls.put(call)
        await done.wait()
        return outcome.get()

    async def close(self) -> None:
        """End the thread; another call of `run` starts a new one. Returns when it has ended, so
        never while it hangs."""
        if thread := self._thread:
            self._calls.put(None)
            self._calls, self._thread = SimpleQueue(), None
            while thread.is_alive():
                await asyncio.sleep(_LOOK)


def _serve(calls: "SimpleQueue[Callable[[], None] | None]") -> None:
    while call := calls.get():
        call()


class _Outcome(Generic[T]):
    """What a function returned or raised in a thread, for another one."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def find(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # whatever it is, it belongs to who asked
            self._error = error

    def get(self) -> T:
        if self._error:
            raise self._error
        return self._results[0]
