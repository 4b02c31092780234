"""Work that may hang (a disk, a network file system, a directory service), beside the loop."""

import _thread
import asyncio
import errno
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

#: How often to look whether a thread has ended, seconds: when that is wanted, and when it is not.
_LOOK, _LOOK_SELDOM = 0.001, 1.0


class NoThreadError(OSError):
    """There can be no thread: too many run, or memory is short. It may be tried again."""


class Background:
    """One thread, for one piece of work at a time: what hangs holds one thread, however often it is
    asked for, and the calls that follow wait for it.

    Not asyncio.to_thread: the interpreter joins its threads when it ends, so that one that hangs in
    read(2) keeps the process from ending. Not threading.Thread: its start() waits until the thread
    runs, in the loop, and for ever if there is no memory for the thread's first step. And the
    thread stays, because with --realtime it is an ordinary one on a machine that may be busy: a new
    one would have to wait for a processor.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._life: weakref.ref[_Life] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work()`` returns or raises; NoThreadError when there can be no thread. Who is
        cancelled waits no longer; the work goes on, and nobody learns its outcome."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        outcome: _Outcome[T] = _Outcome(work)

        def call() -> None:
            outcome.find()
            with suppress(RuntimeError):  # the loop has ended: nobody wants to know
                loop.call_soon_threadsafe(done.set)

        if not _runs(self._life):
            # What a thread that ended too early has left undone is not done later.
            self._calls = SimpleQueue()
            self._life = _start(self._calls)
        self._calls.put(call)
        life = self._life
        while not done.is_set():
            alive = _runs(life)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SELDOM):
                    await done.wait()
            if not alive and not done.is_set():
                raise NoThreadError(errno.ENOMEM, "a thread ended before its work was done")
        return outcome.get()

    async def close(self) -> None:
        """End the thread; another call of `run` starts a new one. Returns when it has ended, so
        never while it hangs."""
        if life := self._life:
            self._calls.put(None)
            self._calls, self._life = SimpleQueue(), None
            while _runs(life):
                await asyncio.sleep(_LOOK)


class _Life:
    """Only its thread holds it: it is gone when the thread is, however that ended."""


def _runs(life: "weakref.ref[_Life] | None") -> bool:
    return life is not None and life() is not None


def _start(calls: "SimpleQueue[Callable[[], None] | None]") -> "weakref.ref[_Life]":
    life = _Life()
    try:
        _thread.start_new_thread(_serve, (calls, life))
    except (RuntimeError, MemoryError) as error:  # RuntimeError: "can't start new thread"
        raise NoThreadError(errno.EAGAIN, str(error) or "no memory for a thread") from error
    return weakref.ref(life)


def _serve(calls: "SimpleQueue[Callable[[], None] | None]", life: _Life) -> None:
    try:
        while call := calls.get():
            call()
    finally:
        del life  # the traceback of what the work raised may keep this frame


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
