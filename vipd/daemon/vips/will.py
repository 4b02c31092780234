"""What is to be done for a master if it is killed or frozen: the guard knows it, and it is written
down for the case that the guard ends as well."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from vipd.daemon.cleanup.last_scripts import LastScript
from vipd.daemon.cleanup.wills import CrashCleanup, Final, worded
from vipd.daemon.guard.keeper import Keeper, Place
from vipd.daemon.vips.counter import Counter
from vipd.linux.addresses import Address
from vipd.linux.secondaries import has_others, promotion

MakeFinal = Callable[[int], Final | None]
"""What hands over on behalf of a killed master, made with this counter; None: nothing can."""
MakeScript = Callable[[], LastScript | None]
"""What removes the addresses of a killed master that have no lease; None: nothing does."""


class Will:
    """``held``: the addresses that the VIP holds; ``script``: what removes others. With neither,
    there is nothing to do. ``counter``: its last number is for the final advertisement,
    which must have a larger one than all others of this run, and a smaller one than the next's.
    """

    def __init__(
        self,
        vip: str,
        wills: CrashCleanup | None,
        guard: Keeper | None,
        counter: Counter,
        held: Callable[[], Sequence[Address]],
        script: MakeScript,
        final: MakeFinal,
    ) -> None:
        self._vip = vip
        self._wills = wills
        self._counter = counter
        self._held = held
        self._script = script
        self._final = final
        self._number = 0  # the counter in it
        self._text = b""  # to be written
        #: What the guard sees of the VIP.
        self.place = guard.place(self.leave) if guard else Place(None, None, 0)

    def leave(self) -> None:
        """Tell the guard at once, and write it soon, because clients do not wait for it."""
        number, script = self._counter.last, self._script()
        if not (self._held() or script) or not (final := self._final(number)):
            return
        self._number = number
        text, wills = worded(self._requests(), final, script), self._wills
        self.place.leave(self._vip, str(wills.file(self._vip)) if wills else "", text)
        if wills and not self._text:
            asyncio.get_running_loop().call_soon(self._write)
        self._text = text

    def revoke(self) -> None:
        """The VIP is not master any more."""
        if self.place.taken:  # others have heard the final advertisement
            with suppress(OSError):  # logged when we started
                self._counter.skip(self._number)
        self.place.clear()
        self._text = b""
        if self._wills:
            self._wills.revoke(self._vip)

    def _write(self) -> None:
        text, self._text = self._text, b""
        if self._wills and text:
            self._wills.leave(self._vip, text)

    def _requests(self) -> Iterator[tuple[bytes, bool]]:
        """What removes the addresses; True: a deletion."""
        held = self._held()
        for index in {each.index for each in held if has_others(each.interface)}:
            yield promotion(index), False
        for address in reversed(held):  # the primary of a subnet last, as in `Ownership`
            yield address.deletion, True
