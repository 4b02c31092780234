"""What is to be done for a master if it is killed or frozen: the guard knows it, and it is written
down for the case that the guard ends as well."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from vipd.daemon.cleanup.last_scripts import LastScript
from vipd.daemon.cleanup.wills import CrashCleanup, Final, worded
from vipd.daemon.guard.keeper import Keeper, Place
from vipd.daemon.vips.afterwards import Work
from vipd.daemon.vips.counter import Sequence as Numbers
from vipd.linux.addresses import Address
from vipd.linux.secondaries import has_others, promotion

MakeFinal = Callable[[int], Final | None]
"""What hands over on behalf of a killed master, made with this sequence; None: nothing can."""
MakeScript = Callable[[], LastScript | None]
"""What removes the addresses of a killed master that have no lease; None: nothing does."""


class Will:
    """``held``: the addresses that the VIP holds; ``script``: what removes others. With neither,
    there is nothing to do. ``numbers``: the last one is for the final advertisement,
    which must have a later one than all others of this run, and an earlier one than the next's.
    """

    def __init__(
        self,
        vip: str,
        wills: CrashCleanup | None,
        guard: Keeper | None,
        numbers: Numbers,
        held: Callable[[], Sequence[Address]],
        script: MakeScript,
        final: MakeFinal,
        afterwards: Callable[[Work], None],
    ) -> None:
        self._vip = vip
        self._file = str(wills.file(vip)) if wills else ""
        self._wills = wills
        self._numbers = numbers
        self._held = held
        self._script = script
        self._final = final
        self._afterwards = afterwards
        self._number: int | None = None  # the sequence in it
        self._text = b""  # to be written
        #: What the guard sees of the VIP.
        self.place = guard.place(self.leave) if guard else Place(None, None, 0)

    @property
    def is_owed(self) -> bool:
        """Whether the daemon before us would have run the VIP's DOWNSCRIPT, and nobody has."""
        return self._wills is not None and self._vip in self._wills.owed

    def leave(self) -> None:
        """Tell the guard at once, and write it soon, because clients do not wait for it: when
        hundreds of groups take over, after the last of them has its addresses."""
        number, script = self._numbers.last, self._script()
        if not (self._held() or script) or not (final := self._final(number)):
            return
        self._number = number
        text, wills = worded(self._requests(), final, script), self._wills
        self.place.leave(self._vip, self._file, text)
        if wills and not self._text:
            asyncio.get_running_loop().call_soon(self._afterwards, self._write)
        self._text = text

    def keep_ahead(self) -> None:
        """An advertisement left: the final one must be later."""
        if self._number is not None and not self._numbers.is_before(self._number):
            self.leave()

    def revoke(self) -> None:
        """The VIP is not master any more."""
        if self.place.taken and self._number is not None:  # others have heard the final one
            self._numbers.skip(self._number)
        self.place.clear()
        self._number = None
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
