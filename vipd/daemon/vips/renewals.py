"""Renewals of leases on addresses: all renewals of one turn of the loop are sent together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from vipd.linux.netlink import Netlink

Done = Callable[[Sequence[bytes], Mapping[int, int] | None], None]


class Renewals:
    """Collects renewals; 255 of them cost one system call and half a millisecond."""

    #: Most renewals in one turn of the loop: with thousands of addresses the kernel would take
    #: longer than an advertisement may be late.
    AT_ONCE = 400

    def __init__(self, netlink: Netlink, loop: asyncio.AbstractEventLoop) -> None:
        self._netlink = netlink
        self._loop = loop
        self._waiting: list[tuple[Sequence[bytes], Done, float]] = []

    def renew(self, messages: Sequence[bytes], done: Done, until: float) -> None:
        """Send ``messages`` (`vipd.linux.addresses.Address.renewal`) before the loop sleeps. Then
        call ``done`` with them, and with the errno of those that the kernel refused, by their
        position; it must not raise. After ``until`` (the loop's clock) they are not sent, because
        they would bring back addresses whose lease has ended: ``done`` gets None then."""
        if not self._waiting:
            self._loop.call_soon(self._flush_some)
        self._waiting.append((messages, done, until))

    def flush(self) -> None:
        """Send all that wait now: an address must not be renewed after it was deleted."""
        waiting, self._waiting = self._waiting, []
        self._post(waiting)

    def _flush_some(self) -> None:
        number = size = 0
        while number < len(self._waiting) and (not number or size < self.AT_ONCE):
            size += len(self._waiting[number][0])
            number += 1
        some, self._waiting = self._waiting[:number], self._waiting[number:]
        if self._waiting:
            self._loop.call_soon(self._flush_some)
        self._post(some)

    def _post(self, waiting: Sequence[tuple[Sequence[bytes], Done, float]]) -> None:
        now = self._loop.time()  # we may have been stopped
        for messages, done, until in waiting:
            if until <= now:
                done(messages, None)
        waiting = [each for each in waiting if each[2] > now]
        refused = self._netlink.post([each for messages, _, _ in waiting for each in messages])
        begin = 0
        for messages, done, _ in waiting:
            end = begin + len(messages)
            its = range(begin, end) if refused else ()
            done(messages, {n - begin: refused[n] for n in its if n in refused})
            begin = end
