"""Work that may hang (a disk, a network file system, a directory service), beside the loop."""

import _thread
import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Background:
    """One piece of work at a time, each in a thread of its own: what hangs holds one thread,
    however often it is asked for, and the calls that follow wait for it.

    Not asyncio.to_thread: the interpreter joins its threads when it ends, so that one that hangs in
    read(2) keeps the process from ending. Not threading.Thread: its start() waits until the thread
    runs, and with --realtime that is an ordinary thread on a machine that may be busy.
    """

    def __init__(self) -> None:
        self._busy: asyncio.Future[None] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work()`` returns or raises; RuntimeError when there can be no thread. Who is
        cancelled waits no longer; the work goes on, and nobody learns its outcome."""
        while self._busy:
            await asyncio.wait([self._busy])
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        outcome: _Outcome[T] = _Outcome(work)

        def finish() -> None:
            self._busy = None
            done.set_result(None)

        def call() -> None:
            outcome.find()
            with suppress(RuntimeError):  # the loop has ended: nobody wants to know
                loop.call_soon_threadsafe(finish)

        _thread.start_new_thread(call, ())
        self._busy = done
        await asyncio.wait([done])
        return outcome.get()


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
