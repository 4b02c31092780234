"""What is written down for a master that dies, on a disk that has no room for it."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vipd.daemon.cleanup.wills import CrashCleanup, Final, worded


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A file takes so many bytes. The kernel writes a part, and refuses only the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_half_a_will_is_none_and_each_time_that_it_begins_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    wills, file = CrashCleanup(tmp_path), tmp_path / "farewell" / "vip-001"
    monkeypatch.setattr(logging.getLogger("vipd"), "propagate", True)

    def leave() -> None:
        wills.leave("001", worded([(b"abc", True)], Final("eth1", [b"frame"])))

    def said() -> int:
        return sum(record.getMessage().startswith("cannot write") for record in caplog.records)

    with room_for(20):
        leave()
        leave()
    assert not file.exists()
    assert said() == 1
    leave()
    assert file.read_text().endswith(f"{b'frame'.hex()}\n")
    with room_for(20):
        leave()
    assert not file.exists()
    assert said() == 2
