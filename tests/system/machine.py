"""A host of the lab that boots: a whole Debian under its own systemd, with the host's cable."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vipd.lab import Host, Process
from vipd.lab.waiting import wait_until

BOOT_WITHIN = 60.0  # seconds; one or two on an idle machine
RUN_WITHIN = 120.0

#: Where a machine's root directory is on its lab host.
ROOT = "/run/root"

#: The tree ($1) is shared and stays as it is; what a machine writes goes to its disk ($2), which
#: outlives the lab host when that crashes. The lab host's own /sys says nothing of where processes
#: belong, so systemd gets a cgroup2 there.
PREPARE = f"""
set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p {ROOT} "$2/upper" "$2/work" "/sys/fs/cgroup/$3"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay {ROOT}
"""

#: Nothing registers the machine anywhere. It gets the network that its lab host has, and may what a
#: machine may there.
BOOT = f"""
set -e
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
exec systemd-nspawn --quiet --register=no --keep-unit --directory {ROOT} --machine "$2" \\
    --network-namespace-path /proc/self/ns/net --capability CAP_NET_ADMIN,CAP_IPC_LOCK \\
    --resolv-conf off --timezone off --link-journal no --console pipe --boot
"""

INSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Machine:
    """Switched off when made. `disk` is an empty directory for what it writes."""

    def __init__(self, host: Host, tree: Path, disk: Path, cgroup: str) -> None:
        self.host = host
        self.name = host.name
        self._tree = tree
        self._disk = disk
        self._cgroup = cgroup
        self._nspawn: Process | None = None
        self._prepare()

    def _prepare(self) -> None:
        done = self.host.run(
            ["sh", "-c", PREPARE, "prepare", str(self._tree), str(self._disk), self._cgroup]
        )
        assert done.returncode == 0, done.stderr

    def boot(self) -> None:
        """Switch it on, after a power cut, too; returns when it has started all its services."""
        if not self.host.alive:
            self.host.boot()
            self._prepare()
        self._nspawn = self.host.start(["sh", "-c", BOOT, "boot", self._cgroup, self.name])
        state = ""

        def look() -> bool | None:
            nonlocal state
            try:
                state = self.run("systemctl is-system-running", check=False)
            except ProcessLookupError as error:
                state = str(error)
            return True if state.strip() in ("running", "degraded") else None

        wait_until(
            look,
            timeout=BOOT_WITHIN,
            interval=0.2,
            complaint=lambda: f"{self.name} did not boot: {state}{self._process.tail()}",
        )

    @property
    def _process(self) -> Process:
        assert self._nspawn is not None, f"{self.name} was never booted"
        return self._nspawn

    def leader(self) -> int:
        """The machine's first process, as this machine's /proc shows it."""
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            children = []
        if not children:
            raise ProcessLookupError(f"{self.name} is switched off{self._process.tail()}")
        return int(children[0])

    def run(self, command: str, *, check: bool = True, text: str = "") -> str:
        """Run a shell command on the machine; its output, both streams.

        AssertionError with the output when it fails and `check`.
        """
        words = ["nsenter", "--target", str(self.leader()), "--all", "--root", "--wd", "sh", "-c"]
        done = subprocess.run(
            [*words, command],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_WITHIN,
            env=INSIDE,
        )
        assert done.returncode == 0 or not check, f"{self.name}: {command}\n{done.stdout}"
        return done.stdout

    def write(self, path: str, text: str, mode: str = "600") -> None:
        """Write a file on the running machine, as an editor does: all at once."""
        quoted = shlex.quote(path)
        self.run(
            f"cat >{quoted}.new && chmod {mode} {quoted}.new && mv {quoted}.new {quoted}", text=text
        )

    def bring(self, files: Sequence[Path], directory: str) -> None:
        """Copy files of this machine to a directory of that one."""
        for file in files:
            target = shlex.quote(f"{directory}/{file.name}")
            words = ["nsenter", "--target", str(self.leader()), "--all", "--root", "--wd", "sh"]
            with file.open("rb") as data:
                subprocess.run([*words, "-c", f"cat >{target}"], stdin=data, check=True, env=INSIDE)

    def files(self) -> set[str]:
        """All its files and directories, but for those that live in memory."""
        return set(self.run("find / -xdev").splitlines()) | set(
            self.run("find /run -xdev -name '*vipd*'").splitlines()
        )

    def property(self, name: str, unit: str = "vipd.service") -> str:
        """What systemd says about a unit."""
        return self.run(f"systemctl show --value --property={name} {unit}").strip()

    def power_off(self) -> None:
        """`systemctl poweroff`, and wait until it is off."""
        self.run("systemctl poweroff", check=False)
        self._process.wait(RUN_WITHIN)

    def crash(self) -> None:
        """The power is cut."""
        self.host.crash()

    def switch_off(self) -> None:
        """End it without ceremony, and take its groups of processes away."""
        if not self.host.alive:
            self.host.boot()
            self._prepare()
        groups = f"/sys/fs/cgroup/{self._cgroup}"
        self.host.run(["sh", "-c", f"echo 1 >{groups}/cgroup.kill"])

        def gone() -> bool | None:
            self.host.run(["find", groups, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
            return True if self.host.run(["test", "-e", groups]).returncode else None

        wait_until(
            gone, timeout=BOOT_WITHIN, complaint=lambda: f"{self.name}: processes stay in {groups}"
        )
