"""Runs one source of verdicts in an event loop, and notes what it says."""

import asyncio
from collections.abc import Awaitable, Callable

from vipd.daemon.health.verdict import Changed, Source, Verdict

PATIENCE = 30.0
"""Seconds that a machine may take which has other things to do."""

Make = Callable[[asyncio.AbstractEventLoop, Changed], Source]


class Witness:
    """``told``: each verdict of which the source has told, in order."""

    def __init__(self, make: Make) -> None:
        self._changed = asyncio.Event()
        self.told: list[Verdict] = []
        self.loop = asyncio.get_running_loop()
        self.source = make(self.loop, self._note)

    @property
    def now(self) -> Verdict:
        return self.source.verdict

    def _note(self) -> None:
        self.told.append(self.source.verdict)
        self._changed.set()

    async def sees(self, well: bool | None, said: str = "") -> Verdict:
        """Wait until this is the verdict, with ``said`` somewhere in its words."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (self.now.well is well and said in self.now.said):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not {well} “{said}”, but {self.now} after {self.told}") from None
        return self.now


def play(make: Make, story: Callable[[Witness], Awaitable[None]]) -> Witness:
    """Start a source, tell the story, and close it."""

    async def run() -> Witness:
        witness = Witness(make)
        witness.source.start()
        try:
            await story(witness)
        finally:
            witness.source.close()
        before = len(witness.told)
        await asyncio.sleep(0)
        assert len(witness.told) == before
        return witness

    return asyncio.run(run())
