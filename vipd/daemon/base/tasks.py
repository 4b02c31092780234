"""The one way to start a task. Exceptions that nothing catches are logged through our outlet, with
what failed."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from vipd.daemon.diagnosis.problems import RateLimitedProblem, RateLimitedProblems
from vipd.daemon.log.logger import explained, log

T = TypeVar("T")


def start(work: Coroutine[Any, Any, T], what: str) -> asyncio.Task[T]:
    """Run ``work`` in the running loop. If an exception ends it, it is logged with ``what``, a noun
    for what the task does. Keep the result: asyncio holds only weak references to tasks."""
    task = asyncio.get_running_loop().create_task(work, name=what)
    task.add_done_callback(_ended)
    return task


def catch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what a callback of ``loop`` or a thread raises. The same exception is logged once a
    minute at most, because a callback that raises may be called a thousand times a second."""
    complaints = RateLimitedProblems(_tell, loop.time)

    def complain(what: str, error: BaseException | None) -> None:
        kind = ("unhandled", type(error).__name__, _place(error) if error else what)
        complaints.say(kind, lambda: explained(what, error), "error")

    def in_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        complain(str(context.get("message", "the loop")), context.get("exception"))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "that is gone"
        with suppress(RuntimeError):  # the loop has ended, and so does the program
            loop.call_soon_threadsafe(complain, f"thread {name}", args.exc_value)

    loop.set_exception_handler(in_loop)
    threading.excepthook = in_thread


def _ended(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("%s", explained(task.get_name(), error), extra={"reason": type(error).__name__})


def _tell(complaint: RateLimitedProblem) -> None:
    log.error("%s", complaint.text, extra={"reason": complaint.code})


def _place(error: BaseException) -> str:
    """Where it was raised, so that the same error from two places counts as two."""
    last: TracebackType | None = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    return f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last else ""
