"""Checks whether another process on this host runs a group already: ucarp, or another vipd."""

import asyncio
import errno
import os
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vipd.daemon.base import tasks
from vipd.daemon.base.background import Background
from vipd.daemon.log.logger import log
from vipd.linux.group_claims import Claims, Group, Holder, of_ucarps, watched

#: Seconds for which one search of the processes and claims is used: hundreds of VIPs that start
#: together share it.
_FRESH = 1.0


class GroupLock:
    """A group that no other process on this host runs, until `close`."""

    def __init__(self, group_locks: "GroupLocks", group: Group) -> None:
        self._group_locks = group_locks
        self._group = group

    def close(self) -> None:
        """Release the group."""
        self._group_locks.give_back(self._group)


class GroupLocks:
    """The group locks of all VIPs of a daemon."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._claims = Claims()
        self._ucarps: Mapping[Group, int] = {}
        self._others: Mapping[Group, int] = {}
        self._blind = False
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._background = Background()

    async def settle(self, group: Group) -> GroupLock | Holder:
        """Take the group for this process, or return the process that has it. Raises OSError."""
        if self._loop.time() - self._looked_at > _FRESH:
            # One search for all that wait: they then continue together, not one in each turn.
            if self._looking is None or self._looking.done():
                self._looking = tasks.start(self._look(), "looking for other ucarps")
            await asyncio.shield(self._looking)
        process = self._ucarps.get(group)
        if process and (rival := watched(process)):
            return rival
        if group in self._others:  # do not disturb a process that starts at this moment
            return Holder(self._others[group])
        if group in self._claims:
            return Holder(os.getpid())
        group_lock = self._claim(group)
        try:
            # A search that begins after the claim, for all claims of this turn of the loop.
            if self._checking is None or self._checking.done():
                self._checking = tasks.start(self._check(), "looking for other vipds")
            await asyncio.shield(self._checking)
        except BaseException:
            group_lock.close()
            raise
        if group in self._others:
            group_lock.close()
            return Holder(self._others[group])
        return group_lock

    def take(self, group: Group) -> GroupLock:
        """Take the group at once. Raises OSError: EADDRINUSE if another process, or another VIP of
        this process, has it."""
        if group not in self._claims:
            group_lock = self._claim(group)
            self._see_others()
            if group not in self._others:
                return group_lock
            group_lock.close()
        raise OSError(errno.EADDRINUSE, f"VHID {group[1]} on {group[0]} is run already")

    def give_back(self, group: Group) -> None:
        """Withdraw the claim."""
        self._claims.drop(group)

    def _claim(self, group: Group) -> GroupLock:
        self._claims.add(group)
        return GroupLock(self, group)

    async def _look(self) -> None:
        # Not in the loop: a host may have thousands of processes.
        self._ucarps = await self._background.run(partial(of_ucarps, _group_of))
        self._see_others()
        self._looked_at = self._loop.time()

    async def _check(self) -> None:
        self._see_others()

    def _see_others(self) -> None:
        try:
            self._others = self._claims.of_others()
        except OSError as error:
            self._others = {}
            if not self._blind:
                log.warning(
                    "cannot see which groups other processes of this host run: %s; do not run two "
                    "vipd for the same VIP, or load the kernel module packet_diag and restart",
                    error,
                    extra={"reason": "rivals"},
                )
            self._blind = True

    async def end_of(self, rival: Holder, stop: asyncio.Future[None]) -> None:
        """Wait until the process has ended, or may have (see `Holder`), or ``stop`` is done."""
        ended = asyncio.Event()
        if rival.end is not None:
            self._loop.add_reader(rival.end, ended.set)
        waiting = tasks.start(ended.wait(), "waiting for another ucarp")
        # Two processes that see each other at the same time both withdraw: the random time keeps
        # that from happening again.
        patience = None if rival.end is not None else _FRESH * (1 + random.random() / 2)
        try:
            either: list[asyncio.Future[Any]] = [waiting, stop]
            await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if rival.end is not None:
                self._loop.remove_reader(rival.end)
                self._looked_at = float("-inf")
            rival.close()


def _group_of(arguments: Sequence[str]) -> Group | None:
    from vipd.config.options import group_of  # only where there is a ucarp

    return group_of(arguments)
