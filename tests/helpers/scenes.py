"""Scenes in an event loop of their own, with real programs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

_LOOK = 0.005


def play(act: Callable[[], Awaitable[None]]) -> None:
    """Run a scene, for a bounded time."""

    async def scene() -> None:
        async with asyncio.timeout(60):
            await act()

    asyncio.run(scene())


async def exists(file: Path) -> None:
    """Wait until a file is there."""
    while not file.exists():
        await asyncio.sleep(_LOOK)


async def written(file: Path) -> str:
    """What is in a file, as soon as there is a whole line."""
    while not file.exists() or not file.read_text().endswith("\n"):
        await asyncio.sleep(_LOOK)
    return file.read_text()


async def have_gone(*pids: int) -> None:
    """Wait until these processes have ended."""
    while not all(map(gone, pids)):
        await asyncio.sleep(_LOOK)


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that its new parent has not collected has)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
