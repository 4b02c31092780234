"""Waiting for an event, for a limited time."""

import asyncio
from contextlib import suppress


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for it, for so long at most; whether it has happened. (Not asyncio.wait_for, which takes
    a task of its own and four turns of the loop in Python 3.11.)"""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
