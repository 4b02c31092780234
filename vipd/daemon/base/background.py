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

#: Seconds between two checks whether a thread has ended: while it should end, and otherwise.
_LOOK, _LOOK_SELDOM = 0.001, 1.0


class NoThreadError(OSError):
    """No thread can be started: too many run, or memory is short. The caller may try again."""


class Background:
    """One thread, for one piece of work at a time. Work that hangs holds one thread, however often
    it is requested; later calls wait for it.

    Not asyncio.to_thread: the interpreter joins its threads when it ends, so a thread that hangs in
    read(2) would keep the process from ending. Not threading.Thread: its start() blocks the loop
    until the thread runs, and for ever if there is no memory for the thread's first step. The
    thread is kept, because with --realtime it has ordinary priority: on a busy machine a new thread
    would have to wait for a processor.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._life: weakref.ref[_Life] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return or raise what ``work()`` does; NoThreadError when no thread can be started. If the
        caller is cancelled, the work continues and its outcome is dropped."""
        return await self.begin(work)

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have ``work()`` done; the future has what `run` returns or raises."""
        try:
            self._live()
        except NoThreadError as error:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            future.set_exception(error)
            return future
        begun = _Work(work, self._life)
        self._calls.put(begun.carry_out)
        return begun.future

    def hand(self, work: Callable[[], None]) -> None:
        """Have ``work()`` done, which raises nothing, and tells by itself that it is done; the
        cheapest way. Raises NoThreadError."""
        self._live()
        self._calls.put(work)

    @property
    def lives(self) -> bool:
        """Whether the thread that got the work is there."""
        return _runs(self._life)

    def _live(self) -> None:
        if not _runs(self._life):
            # Work that a thread left undone when it ended too early is dropped.
            self._calls = SimpleQueue()
            self._life = _start(self._calls)

    async def close(self) -> None:
        """End the thread; another call of `run` starts a new one. Returns when the thread has
        ended, thus never while it hangs."""
        if life := self._life:
            self._calls.put(None)
            self._calls, self._life = SimpleQueue(), None
            while _runs(life):
                await asyncio.sleep(_LOOK)


class _Life:
    """Only its thread refers to it, so it is freed when the thread ends, however that happens."""


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


class _Work(Generic[T]):
    """One piece of work: a thread carries it out, and `future`, of the loop, has its outcome."""

    def __init__(self, work: Callable[[], T], life: "weakref.ref[_Life] | None") -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self._work = work
        self._life = life
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._timer = self._loop.call_later(_LOOK_SELDOM, self._look)
        self.future.add_done_callback(lambda _: self._timer.cancel())

    def carry_out(self) -> None:
        """In the thread."""
        try:
            self._results.append(self._work())
        except BaseException as error:  # whatever it is, the caller gets it
            self._error = error
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self.future.done():
            return
        if self._error:
            error = self._error
            if isinstance(error, StopIteration):  # no future takes that one
                error = RuntimeError(f"the work raised {error!r}")
            self.future.set_exception(error)
        else:
            self.future.set_result(self._results[0])

    def _look(self, gone: bool = False) -> None:
        """``gone``: its thread had ended before the last look, and has not told anything since."""
        if self.future.done():
            return
        if gone:
            error = NoThreadError(errno.ENOMEM, "a thread ended before its work was done")
            self.future.set_exception(error)
        else:
            gone = not _runs(self._life)
            self._timer = self._loop.call_later(_LOOK_SELDOM, self._look, gone)
