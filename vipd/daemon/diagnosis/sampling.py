"""Sampling of malformed packets: all of them are read, unless there are thousands."""

from vipd.carp.packet import Drop

#: Drops that the kernel's filter recognises, see `vipd.linux.wire`.
MALFORMED = frozenset({Drop.TTL, Drop.VERSION, Drop.TYPE})


class Sampling:
    """A malformed packet costs the kernel next to nothing, and us some µs. Each one that waits in
    the socket also takes the room of a valid one. So when more than `MANY` a second come, the
    kernel passes one of `RATIO` at random, which then counts as `RATIO` packets."""

    RATIO = 64
    MANY = 500  # a second
    WINDOW = 1.0  # seconds

    def __init__(self) -> None:
        self.weight = 1  # packets that one stands for
        self._seen = 0
        self._since = 0.0

    def count(self) -> int:
        """Count a packet; return how many it stands for."""
        self._seen += 1
        return self.weight

    def changed(self, now: float) -> bool:
        """Set ``weight``; return whether it has changed. Call this after packets were read."""
        elapsed = now - self._since
        if elapsed < self.WINDOW and self._seen < self.MANY:
            return False
        before = self.weight
        many = self._seen * self.weight > self.MANY * max(elapsed, self.WINDOW)
        # While they are sampled, a few that come by chance prove little: one counts as 64.
        self.weight = self.RATIO if many else 1
        self._seen, self._since = 0, now
        return self.weight != before
