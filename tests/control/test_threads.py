"""A machine on which no thread can be had for a while."""

from pathlib import Path

import pytest
from helpers.asking import Client
from helpers.configured import QUICK, write_vip
from helpers.faults import NO_THREAD, faulty

from vipd.lab import Host

pytestmark = pytest.mark.lab


def test_there_is_a_control_socket_as_soon_as_threads_can_be_had(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    none = tmp_path / "no-thread"
    none.touch()
    daemon = web01.vipd(files, env=faulty(tmp_path / "fault", NO_THREAD.format(file=str(none))))
    daemon.wait_for("^<3>cannot look up the group vipd: .*can't start new thread; .*tried again")
    none.unlink()
    daemon.wait_for("001: Switching to state: MASTER", timeout=60)
    with Client(daemon) as client:
        assert client.vips("001")
