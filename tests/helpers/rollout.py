"""Two hosts with sshd on which nothing is set up, and a third from which Ansible sets them up."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.configured import WEB01, WEB02, write_script
from helpers.sshd import Keys
from vipd.lab import Host, Lab

PLAYBOOK = Path(__file__).parents[2] / "packaging/ansible/playbook.yml"
LIBRARY = Path(__file__).parents[1] / "ansible/library"

#: vipd as a service. A lab host has no systemd.
SERVICE = f"""
pid=/run/vipd.pid
runs() {{ test -e $pid && kill -0 $(cat $pid) 2>/dev/null; }}
case $1 in
start)
    runs && exit 0
    setsid {sys.executable} -m vipd.daemon --config-dir /etc/ucarp --runtime-dir /run/vipd \\
        --state-dir /run/state >>/run/vipd.log 2>&1 </dev/null &
    echo $! >$pid
    echo start >>/run/service.log
    until [ -S /run/vipd/io.vipd ] || ! runs; do sleep 0.1; done
    ;;
stop)
    runs || exit 0
    kill $(cat $pid)
    while runs; do sleep 0.1; done
    rm -f $pid
    ;;
restart) $0 stop; $0 start ;;
status) runs || {{ echo stopped; exit 3; }}; echo running ;;
esac
"""

#: `vipctl cluster`; again while a host has not answered in time, because the machine is busy.
ASK = """
for _ in $(seq 20); do
    answer=$("${0%/*}/keys/bin/vipctl" cluster "$@")
    status=$?
    case $answer in *"no answer in 3 s"*) ;; *) break ;; esac
done
printf '%s\\n' "$answer"
exit $status
"""

Done = subprocess.CompletedProcess[str]


class Rollout:
    """web01, web02, and admin, where the playbook of `packaging/ansible` is played."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab, self.directory = lab, directory
        keys = Keys(directory / "keys")
        write_script(directory / "service", SERVICE)
        write_script(directory / "ask", ASK)
        self.publish("1")
        self.admin = lab.host("admin", "192.0.2.9/24", interface="eth0")
        keys.trust(self.admin)
        self.hosts: dict[str, Host] = {}
        self.files: dict[str, Path] = {}
        for name, management, address in (
            ("web01", "192.0.2.1", WEB01),
            ("web02", "192.0.2.2", WEB02),
        ):
            cables = {"eth0": [f"{management}/24"], "eth1": [f"{address}/24"]}
            host = self.hosts[name] = lab.host(name, interfaces=cables)
            files = self.files[name] = directory / name
            files.mkdir()
            host.bind(files, "/etc/ucarp")
            host.bind(directory / "service", "/etc/init.d/vipd")
            keys.serve(host, management)
        inventory = {
            "vipd": {
                "hosts": {
                    "web01": {"advskew": 0, "source": WEB01},
                    "web02": {"advskew": 100, "source": WEB02},
                },
                "vars": {
                    "ansible_python_interpreter": sys.executable,
                    "ansible_remote_tmp": "/run/ansible",
                    "ansible_ssh_transfer_method": "piped",
                    "ansible_pipelining": True,
                    "ansible_become": False,
                    "ansible_package_use": "lab_package",
                    "vipd_package": str(directory / "newest"),
                    "vipd_ask": str(directory / "ask"),
                    "vipd_settle": 4,
                    "vipd_wait": 240,
                    "vipd_service_use": "sysvinit",
                    "vipd_service_enabled": False,
                },
            }
        }
        (directory / "inventory.json").write_text(json.dumps(inventory))

    def play(self, variables: dict[str, Any], *options: str, playbook: Path = PLAYBOOK) -> Done:
        """Play it with these variables of the role, to its end."""
        given = self.directory / "variables.json"
        given.write_text(json.dumps(variables))
        given.chmod(0o600)
        home = self.directory / "ansible"
        env = {
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LIBRARY": str(LIBRARY),
            "ANSIBLE_ROLES_PATH": str(PLAYBOOK.parent),
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "PATH": f"{self.directory / 'keys/bin'}:{os.environ['PATH']}",
        }
        command: list[str | Path] = [
            "env",
            *(f"{key}={value}" for key, value in env.items()),
            *(sys.executable, "-P", "-m", "ansible.cli.playbook"),
            *("-i", str(self.directory / "inventory.json"), str(playbook)),
            *("-e", f"@{given}", *options),
        ]
        return self.admin.run(command, timeout=900)

    def publish(self, version: str) -> None:
        """Make this the newest version of the package."""
        (self.directory / "newest").write_text(version)

    def at_once(self) -> Path:
        """The same playbook, but for all hosts at the same time."""
        path = self.directory / "at_once.yml"
        path.write_text(PLAYBOOK.read_text().replace("  serial: 1\n", ""))
        return path

    @property
    def vipctl(self) -> Path:
        """What `vipctl` is on all hosts."""
        return self.directory / "keys/bin/vipctl"

    def cluster(self) -> Done:
        """What the hosts say of each other."""
        return self.admin.run([self.directory / "ask", "web01", "web02"], timeout=90)

    def plan(self, password: str, address: str) -> Path:
        """A directory made by `vipctl plan`."""
        passfile, made = self.directory / "password", self.directory / "plan"
        passfile.write_text(f"{password}\n")
        done = self.admin.run(
            [self.vipctl, "plan", "--interface", "eth1", "--passfile", passfile, "--output", made,
             "--host", f"web01={WEB01}", "--host", f"web02={WEB02}", address]
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return made

    def starts(self, name: str) -> int:
        """How often vipd was started on a host."""
        return self.hosts[name].run(["cat", "/run/service.log"]).stdout.count("start")

    def read(self, name: str) -> dict[str, str]:
        """The files of a host."""
        return {file.name: file.read_text() for file in sorted(self.files[name].iterdir())}


@pytest.fixture(scope="module")
def rollout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollout]:
    """One for all tests of a file, which build upon each other."""
    with Lab() as lab:
        yield Rollout(lab, tmp_path_factory.mktemp("rollout"))
