"""Files that are kept for the next life: on the disk when that is promised, whatever is cut."""

import asyncio
import os
from pathlib import Path

import pytest

from vipd.daemon.control.maintenance import Maintenance


@pytest.mark.parametrize("on", [True, False])
def test_maintenance_is_on_the_disk_before_anybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    """Its content before its name, and the name in the end: also that it is gone."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("directory" if path == tmp_path else "content")
        sync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        steps.append("name")
        return replace(self, target)

    async def story() -> None:
        maintenance = Maintenance(tmp_path)
        if not on:
            await maintenance.switch(True, ["001"])
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "replace", renamed)
        await maintenance.switch(on, ["001"])
        assert ("001" in maintenance) is on

    asyncio.run(story())
    assert steps == (["content", "name", "directory"] if on else ["directory"])
