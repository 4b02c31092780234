"""Searches for the settings that made a digest: one after the other, beside the loop's work."""

import asyncio

from vipd.daemon.diagnosis.digest_proof import DigestProof, Kept, Search


def finds(what: str) -> Search:
    yield
    return what


def breaks() -> Search:
    yield
    raise ValueError("a mistake in a search")


def test_a_search_or_its_listener_that_raises_keeps_nobody_else_from_a_proof() -> None:
    told: list[str] = []

    async def run() -> None:
        proof = DigestProof(asyncio.get_running_loop())
        done = asyncio.Event()

        def listener(found: str) -> None:
            raise ValueError(found)

        def last(found: str) -> None:
            told.append(found)
            done.set()

        def broken(_kept: Kept) -> Search:
            return breaks()

        proof.ask("search", broken, told.append)
        proof.ask("listener", lambda _kept: finds("first"), listener)
        proof.ask("last", lambda _kept: finds("second"), last)
        await asyncio.wait_for(done.wait(), timeout=60)
        assert not proof.wants("search")  # once a minute, whatever came of it
        assert not proof.wants("listener")

    asyncio.run(run())
    assert told == ["second"]
