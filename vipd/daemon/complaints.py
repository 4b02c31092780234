"""What keeps being wrong: told once a minute at most, and remembered while it goes on."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from vipd.daemon.events import Level
from vipd.daemon.journal import word


@dataclass(slots=True)
class Complaint:
    """One kind of thing that is wrong. ``since``, ``last`` (seen) and ``told``: times of the clock;
    ``text`` is what was said last, "" if there was nothing to say. ``id`` and ``vhid``: the VIP, if
    it is one's."""

    code: str
    text: str
    level: Level
    id: str
    vhid: int
    since: float
    last: float
    told: float
    count: int = 1


class Complaints:
    """The same complaint once a minute at most, whatever happens in between."""

    EVERY = 60.0  # seconds
    #: How long after it was seen last something counts as wrong, seconds: a host with advbase 255
    #: shows what is wrong with it every 255 s.
    KEPT = 300.0
    _LIMIT = 1000  # kinds remembered; somebody who forges more gets them all forgotten

    def __init__(self, tell: Callable[[Complaint], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self.clock = clock
        self._known: dict[Hashable, Complaint] = {}

    def say(
        self,
        kind: Hashable,
        text: Callable[[], str],
        level: Level = "warning",
        *,
        id: str = "",  # noqa: A002
        vhid: int = 0,
    ) -> None:
        """Tell ``text()``, if it is not empty, unless something of this ``kind`` was looked at in
        the last minute. The kind, or the first part of it, is the complaint's code."""
        now = self.clock()
        known = self._known.get(kind)
        if known and now - known.last < self.KEPT:
            known.count += 1
            known.last = now
            if now - known.told < self.EVERY:
                return
            known.text, known.level, known.told = text(), level, now
        else:
            if len(self._known) >= self._LIMIT:
                self._known.clear()
            code = word(kind[0] if isinstance(kind, tuple) else kind)
            known = Complaint(code, text(), level, id, vhid, now, now, now)
            self._known[kind] = known
        if known.text:
            self._tell(known)

    def forget(self, kind: Hashable) -> None:
        """It is mended."""
        self._known.pop(kind, None)

    def current(self) -> Iterator[Complaint]:
        """What is wrong now, or was a short while ago."""
        now = self.clock()
        for complaint in self._known.values():
            if complaint.text and now - complaint.last < self.KEPT:
                yield complaint
