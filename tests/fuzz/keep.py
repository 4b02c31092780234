"""``python -m fuzz.keep TARGET …``: add to the corpus, from what `make fuzz` has tried, the inputs
that take a way through vipd (from one line to another) which nothing in the corpus takes."""

import importlib
import sys
from collections.abc import Callable
from hashlib import sha1
from types import FrameType
from typing import Any

from .__main__ import CACHE, HERE

Way = tuple[str, int, int]
_OURS = str(HERE.parent.parent / "vipd")


def ways(check: Callable[[bytes], None], data: bytes) -> set[Way]:
    """All pairs of lines of vipd that follow one another while ``data`` is checked."""
    taken: set[Way] = set()

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        file, last = frame.f_code.co_filename, frame.f_lineno
        if not file.startswith(_OURS):
            return None

        def step(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                taken.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        check(data)
    finally:
        sys.settrace(None)
    return taken


def keep(target: str) -> None:
    check = importlib.import_module(f"fuzz.{target}").check
    corpus = HERE / "corpus" / target
    known: set[Way] = set()
    for path in corpus.iterdir():
        known |= ways(check, path.read_bytes())
    added = 0
    for path in sorted((CACHE / target).iterdir(), key=lambda path: path.stat().st_size):
        data = path.read_bytes()
        new = ways(check, data) - known
        if new:
            known |= new
            added += 1
            (corpus / sha1(data, usedforsecurity=False).hexdigest()[:8]).write_bytes(data)
    print(f"{target}: {added} added, {len(known)} ways", flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        keep(name)
