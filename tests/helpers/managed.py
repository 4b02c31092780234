"""A pair of hosts with vipd and sshd, and a third that asks them over a network of their own."""

import json
import re
import subprocess
import sys
from pathlib import Path

from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.sshd import Keys
from vipd.lab import Host, Lab, Process

COMMAND = (sys.executable, "-m", "vipd.cli.main")
SECOND = "198.51.100.155"
FIRST = "--preempt --shutdown --deadratio=2"
THEN = f"{FIRST} --advskew=100"
GOOD = [
    ["ID", "ADDRESS", "web01", "web02"],
    ["001", VIP, "MASTER", "BACKUP"],
    ["002", SECOND, "BACKUP", "MASTER"],
]
"""The table of a group that nothing is wrong with."""

Done = subprocess.CompletedProcess[str]


class Group:
    """web01 and web02, each first for one address, and admin, whose HOSTS they are."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        keys = Keys(directory / "keys")
        self.admin = lab.host("admin", "192.0.2.9/24", interface="eth0")
        (directory / "admin").mkdir()
        (directory / "admin/vip-common.conf").write_text('HOSTS="web01 web02"\n')
        self.admin.bind(directory / "admin", "/etc/ucarp")
        self.web01 = lab.host("web01", interfaces=_interfaces("192.0.2.1", WEB01))
        self.web02 = lab.host("web02", interfaces=_interfaces("192.0.2.2", WEB02))
        self.files = {host.name: directory / host.name for host in (self.web01, self.web02)}
        self.sshd: dict[str, Process] = {}
        for host, address, first, second in (
            (self.web01, "192.0.2.1", FIRST, THEN),
            (self.web02, "192.0.2.2", THEN, FIRST),
        ):
            files = self.files[host.name]
            write_vip(files, "001", OPTIONS=first)
            write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=second)
            host.bind(files, "/etc/ucarp")
            host.vipd("/etc/ucarp", "--state-dir", "/run/state")
            self.sshd[host.name] = keys.serve(host, address)
        for host in (self.admin, self.web01, self.web02):
            keys.trust(host)
        self.settle()

    def settle(self) -> None:
        """Wait until each host has the address that it is first for."""
        self.lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)
        self.lab.wait_owner(SECOND, "web02", timeout=60, stable=0.5)

    def vipctl(self, *arguments: str | Path, host: Host | None = None) -> Done:
        """Run it, on admin unless told otherwise."""
        return (host or self.admin).run([*COMMAND, *map(str, arguments)], timeout=60)

    def cluster(self, *arguments: str, host: Host | None = None, silent: str = "") -> Done:
        """Run `vipctl cluster`; again while a host other than `silent` has not answered in time,
        because the machine that plays them all is busy."""
        for _ in range(20):
            done = self.vipctl("cluster", *arguments, host=host)
            late = re.findall(r"(\S+): no answer in 3 s", done.stdout)
            if "--json" in arguments:
                found = json.loads(done.stdout)["hosts"]
                late = [each["host"] for each in found if each["why"] == "no answer in 3 s"]
            if set(late) <= {silent}:
                return done
        raise AssertionError(f"this machine is too busy:\n{done.stdout}")


def _interfaces(management: str, address: str) -> dict[str, list[str]]:
    return {"eth0": [f"{management}/24"], "eth1": [f"{address}/24"]}


def table(done: Done) -> list[list[str]]:
    """The words of the table that `vipctl cluster` printed."""
    return [re.split(r"\s{2,}", line) for line in done.stdout.split("\n\n")[1].splitlines()]
