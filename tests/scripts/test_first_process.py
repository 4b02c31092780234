"""vipd as the first process of a container: it is given the orphans of all others there."""

import re
import sys
from pathlib import Path
from signal import SIGTERM

import pytest
from helpers.configured import QUICK, VIP, WEB01, write_script, write_vip
from helpers.hosts import until

from vipd.daemon.guard.guard import NAME
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

#: Prints each process of the container, by its state.
LIST = "nsenter -t {} -p -m sh -c 'cat /proc/[0-9]*/stat'"


@pytest.mark.parametrize("program", ["vipd", "vipd-ucarp"])
def test_orphans_are_reaped_and_it_ends_when_it_is_told_to(
    lab: Lab, web01: Host, files: Path, tmp_path: Path, program: str
) -> None:
    up = write_script(
        tmp_path / "up",
        f'ip addr add "$2/32" dev "$1"; echo $$ >{tmp_path}/ran\n'
        f"for n in 1 2 3 4 5; do ( sleep 0.$n & ) ; done; ( setsid sleep 0.3 & )",
    )
    down = write_script(tmp_path / "down", 'ip addr del "$2/32" dev "$1"; true')
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=f"{QUICK} --shutdown")
    ucarp = f"-i eth1 -s {WEB01} -v 1 -p love -a {VIP} -z -r 1 -u {up} -d {down}"
    vipd = f"--config-dir {files} --runtime-dir /run/vipd --state-dir /run/lab/vipd"
    module, words = ("ucarp.main", ucarp) if program == "vipd-ucarp" else ("daemon", vipd)
    command = [sys.executable, "-m", f"vipd.{module}", *words.split()]
    container = web01.start(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command],
        name=program,
    )
    lab.wait_owner(VIP, "web01", timeout=20)
    until((tmp_path / "ran").exists, container.tail)
    found = web01.run(["sh", "-c", "pgrep -P $(pgrep -x unshare)"]).stdout.split()

    def inside() -> list[list[str]]:
        """Name and state of each process."""
        shown = web01.run(["sh", "-c", LIST.format(found[0])]).stdout
        every = re.findall(r"(?m)^\d+ \((.*)\) (\w) ", shown)
        return [[name, state] for name, state in every if name not in ("sh", "cat", NAME)]

    until(lambda: len(inside()) == 1, lambda: f"{inside()}{container.tail()}")
    for _ in range(3):  # its own are still its own
        web01.cut()
        lab.wait_owner(VIP, None, timeout=20)
        web01.join()
        lab.wait_owner(VIP, "web01", timeout=20)
    until(lambda: len(inside()) == 1, lambda: f"{inside()}{container.tail()}")
    assert web01.run(["kill", f"-{SIGTERM}", found[0]]).returncode == 0
    assert container.wait() == 0
    assert "failed" not in container.log()
    lab.wait_owner(VIP, None)
