"""Finds out which of our own settings produces a digest that is wrong for its group."""

import asyncio
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from time import perf_counter

from vipd.carp.digest import Keyed, hash_forms, hash_input
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement
from vipd.config.fields import PASSWORD_KEYS
from vipd.config.model import VipConfig
from vipd.daemon.log.logger import explained, log


class Kept:
    """A cache of bounded size for trying settings on digests: the HMAC states of passwords, and
    address sets in the form in which they are hashed."""

    LIMIT = 1024  # of each

    def __init__(self) -> None:
        self._keys: dict[bytes, Keyed] = {}
        self._forms: dict[Sequence[object], tuple[bytes, ...]] = {}

    def keys(self, config: VipConfig) -> dict[bytes, Keyed]:
        """The passwords of a VIP, each with its HMAC; the first is that of PASSWORD."""
        return {password: self._key(password) for password in config.passwords}

    def _key(self, password: bytes) -> Keyed:
        if (key := self._keys.get(password)) is None:
            if len(self._keys) >= self.LIMIT:
                self._keys.clear()  # from our own files: no other host can fill it
            key = self._keys[password] = Keyed(password)
        return key

    def forms(self, config: VipConfig) -> tuple[bytes, ...]:
        """The addresses of a VIP, as `vipd.carp.digest.hash_forms` returns them."""
        addresses = config.addresses
        if (forms := self._forms.get(addresses)) is None:
            if len(self._forms) >= self.LIMIT:
                self._forms.clear()
            forms = self._forms[addresses] = hash_forms(a.ip for a in addresses)
        return forms


#: Searches the settings that produced a digest. It yields after each small step, and returns its
#: finding, "" for none.
Search = Generator[None, None, str]


def same_settings(ad: Advertisement, ours: Iterable[VipConfig], found: str, kept: Kept) -> Search:
    """Find the one of ``ours`` that produces the digest of ``ad``, apart from the VHID; ``found``
    is a format that gets ``ad`` and that ``config``."""
    for config in ours:
        if _made(ad, ad.vhid, kept.keys(config).values(), kept.forms(config)):
            return found.format(ad=ad, config=config)
        yield
    return ""


def other_settings(
    ad: Advertisement, config: VipConfig, ours: Iterable[VipConfig], kept: Kept
) -> Search:
    """Find the one of ``ours`` whose password or addresses are in ``ad``, which another host sent
    to the group of ``config``. Equal passwords and equal address sets are tried once."""
    keys, forms = kept.keys(config), kept.forms(config)
    tried: set[object] = {*keys, forms}
    for other in ours:
        for name, (another, its_key) in zip(PASSWORD_KEYS, kept.keys(other).items(), strict=False):
            if another not in tried:
                tried.add(another)
                if _made(ad, config.vhid, [its_key], forms):
                    return (
                        f"It has the {name} of our VIP {other.id}: correct it on one of the hosts"
                    )
        its_forms = kept.forms(other)
        if its_forms not in tried:
            tried.add(its_forms)
            if _made(ad, config.vhid, keys.values(), its_forms):
                return (
                    f"It has the VIP_ADDRESS of our VIP {other.id}: correct it on one of the hosts"
                )
        yield
    for ip in _each(config):
        if _made(ad, config.vhid, keys.values(), hash_forms([ip])):
            return f"It has {ip} alone as VIP_ADDRESS, we have more: make them the same"
        yield
    return ""


def _each(config: VipConfig) -> list[Address]:
    return [a.ip for a in config.addresses] if len(config.addresses) > 1 else []


def _made(ad: Advertisement, vhid: int, keys: Iterable[Keyed], forms: Collection[bytes]) -> bool:
    return any(
        compare_digest(key(hash_input(vhid, form, ad.counter)), ad.digest)
        for key in keys
        for form in forms
    )


@dataclass(frozen=True, slots=True)
class _Job:
    kind: Hashable
    search: Search
    done: Callable[[str], None]


class DigestProof:
    """One for the whole daemon. An attacker who forges digests can request searches without limit,
    so their cost is bounded: searches wait in a short queue, run one at a time, and compute for
    `SLICE` seconds in every `PAUSE`, so that no timer is late. Each kind is searched once a minute
    at most. A request that finds the queue full is dropped, and accepted when it comes again."""

    QUEUE = 32
    SLICE = 0.0003  # seconds, plus the time of one step
    PAUSE = 0.01
    EVERY = 60.0  # seconds
    KINDS = 2048  # that were searched, and are remembered

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.kept = Kept()
        self._loop = loop
        self._waiting: dict[Hashable, _Job] = {}  # in the order in which they came
        self._searched: dict[Hashable, float] = {}  # the time of it; the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def wants(self, kind: Hashable) -> bool:
        """Whether `ask` would search: the queue has room, and no search of this kind waits or was
        done in the last minute. It is quick."""
        if kind in self._waiting or len(self._waiting) >= self.QUEUE:
            return False
        before = self._searched.get(kind)
        return before is None or self._loop.time() - before >= self.EVERY

    def ask(
        self, kind: Hashable, search: Callable[[Kept], Search], done: Callable[[str], None]
    ) -> None:
        """Search, if `wants` is true, and call ``done`` with the finding."""
        if not self.wants(kind):
            return
        self._waiting[kind] = _Job(kind, search(self.kept), done)
        if self._timer is None:
            self._timer = self._loop.call_later(self.PAUSE, self._slice)

    def _slice(self) -> None:
        job = next(iter(self._waiting.values()))
        try:
            found = self._go_on(job.search)
            if found is not None:
                self._remember(job)
                job.done(found)
        except Exception as error:  # nothing depends on a search: drop it
            what = "looking for the settings that made a digest"
            log.error("%s", explained(what, error), extra={"reason": type(error).__name__})
            self._remember(job)
        self._timer = self._loop.call_later(self.PAUSE, self._slice) if self._waiting else None

    def _go_on(self, search: Search) -> str | None:
        """The finding; None: not finished yet."""
        end = perf_counter() + self.SLICE
        try:
            while perf_counter() < end:
                next(search)
        except StopIteration as over:
            found: str = over.value
            return found
        return None

    def _remember(self, job: _Job) -> None:
        """Remember that this was searched now."""
        self._waiting.pop(job.kind, None)
        self._searched.pop(job.kind, None)
        self._searched[job.kind] = self._loop.time()
        if len(self._searched) > self.KINDS:
            del self._searched[next(iter(self._searched))]
