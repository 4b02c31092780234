"""What is to be done for a master if it is killed: written down while it is master."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from vipd.daemon.cleanup.wills import CrashCleanup, Final
from vipd.linux.addresses import Address
from vipd.linux.secondaries import has_others, promotion

MakeFinal = Callable[[int], Final | None]
"""What hands over on behalf of a killed master, made with this counter; None: nothing can."""


class Will:
    """``held``: the addresses that the VIP holds. One that vipd does not remove, another program
    does: then there is nothing to do."""

    def __init__(
        self,
        vip: str,
        wills: CrashCleanup | None,
        held: Callable[[], Sequence[Address]],
        final: MakeFinal,
    ) -> None:
        self._vip = vip
        self._wills = wills
        self._held = held
        self._final = final

    def leave(self) -> None:
        """Write it; soon, because clients do not wait for it."""
        if self._wills and self._held():
            asyncio.get_running_loop().call_soon(self._write)

    def revoke(self) -> None:
        """The VIP is not master any more."""
        if self._wills:
            self._wills.revoke(self._vip)

    def _write(self) -> None:
        wills = self._wills
        if wills and self._held() and (final := self._final(wills.counter)):
            wills.leave(self._vip, self._requests(), final)

    def _requests(self) -> Iterator[tuple[bytes, bool]]:
        """What removes the addresses; True: a deletion."""
        held = self._held()
        for index in {each.index for each in held if has_others(each.interface)}:
            yield promotion(index), False
        for address in reversed(held):  # the primary of a subnet last, as in `Ownership`
            yield address.deletion, True
