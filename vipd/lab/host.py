"""A host of the lab: a network namespace with cables, addresses and processes of its own."""

import ipaddress
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipd.lab.anchor import Anchor, environment, start_host
from vipd.lab.errors import LabError, require
from vipd.lab.logs import Logs
from vipd.lab.ownership import MONITOR, MONITOR_ENV, History
from vipd.lab.process import Process

#: ucarp's UPSCRIPT and DOWNSCRIPT on every host; they do the same as EPEL's.
VIP_UP = "/run/lab/vip-up"
VIP_DOWN = "/run/lab/vip-down"
RUNTIME_DIR = "/run/vipd"
STATE_DIR = "/run/lab/vipd"

#: Sets up the host's own /run, its own view of /sys, and no duplicate address detection.
SET_UP = f"""
set -e
mount -t tmpfs -o mode=755 lab /run
mount -t sysfs sysfs /sys 2>/dev/null || true  # containers may refuse; only vipctl check looks
mkdir /run/lab
cat >{VIP_UP} <<'END'
#!/bin/sh
exec ip addr add "$2/32" dev "$1"
END
cat >{VIP_DOWN} <<'END'
#!/bin/sh
exec ip addr del "$2/32" dev "$1"
END
chmod 755 {VIP_UP} {VIP_DOWN}
for dad in /proc/sys/net/ipv6/conf/*/accept_dad; do
    if [ -e "$dad" ]; then echo 0 >"$dad"; fi
done
"""

#: Makes a directory or file appear where there is none, without a change to the machine: the
#: nearest existing directory gets an overlay in this host's mount namespace, which has the new
#: name.
BIND = """
set -e
source=$1 target=$2
if [ ! -e "$target" ]; then
    parent=$(dirname "$target")
    while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
    case $parent in
    /run|/run/*) ;;
    /) echo "cannot make $target: bind over something that exists, or below /run" >&2; exit 1 ;;
    *)
        over=$(mktemp -d /run/lab/overlay.XXXXXX)
        mkdir "$over/upper" "$over/work"
        chmod 755 "$over/upper"
        mount -t overlay -o "lowerdir=$parent,upperdir=$over/upper,workdir=$over/work" \
            overlay "$parent" ;;
    esac
    if [ -d "$source" ]; then mkdir -p "$target"
    else mkdir -p "$(dirname "$target")"; : >"$target"; fi
fi
mount --bind "$source" "$target"
"""


@dataclass(frozen=True, slots=True)
class Cable:
    """One interface of a host, and the port that its other end is connected to."""

    interface: str
    port: str  # name of the other end, on the bridge's side
    bridge: str
    addresses: tuple[str, ...]  # with prefix length


class Host:
    """Made by Lab.host(). All its processes run as root in the host's own namespaces."""

    def __init__(
        self,
        world: Anchor,
        logs: Logs,
        name: str,
        cables: Sequence[Cable],
        *,
        keep_history: bool = True,
    ) -> None:
        self.name = name
        self.cables = tuple(cables)
        self.processes: list[Process] = []  # those that start() started
        self.history = History(name)
        self._keep_history = keep_history
        self._world = world
        self._logs = logs
        self._boot_log = logs.open(name, "boot")
        self._anchor = self._boot()

    def __repr__(self) -> str:
        return f"<host {self.name}{'' if self.alive else ', crashed'}>"

    def _boot(self) -> Anchor:
        anchor, pid = start_host(self._world, self.name, self._boot_log)
        plugs = []
        for cable in self.cables:
            port, peer = f"link add {cable.port} type veth", f"peer name {cable.interface}"
            plugs.append(f"{port} {peer} netns {pid}")
            plugs.append(f"link set {cable.port} master {cable.bridge} up")
        self._world.must(["ip", "-batch", "-"], text="\n".join(plugs))
        inside = ["link set lo up"]
        for cable in self.cables:
            inside.append(f"link set {cable.interface} up")
            inside += [f"addr add {a} dev {cable.interface}" for a in cable.addresses]
        script = f"{SET_UP}\nip -batch - <<'END'\n" + "\n".join(inside) + "\nEND\n"
        anchor.must(["sh", "-c", script])
        if self._keep_history:
            self.history.follow(self._start(anchor, MONITOR, "addresses", MONITOR_ENV))
        return anchor

    @property
    def alive(self) -> bool:
        """False after crash()."""
        return self._anchor.alive

    # -- processes

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a program (with `env` added to our environment); it ends with the lab at the
        latest.

        LabError when it cannot be started; it names the package if that is known.
        """
        words = [str(word) for word in argv]
        process = self._start(self._anchor, words, name or Path(words[0]).name, env)
        self.processes.append(process)
        return process

    def _start(
        self, anchor: Anchor, words: Sequence[str], label: str, env: Mapping[str, str] | None
    ) -> Process:
        log = self._logs.open(self.name, label)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            spawned = anchor.spawn(words, environment(env), null, log, log)
        except BaseException:
            os.close(log)
            raise
        finally:
            os.close(null)
        return Process(anchor, spawned, log, f"{label} on {self.name}")

    def run(
        self, argv: Sequence[str | Path], *, text: str = "", timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, `text` on its stdin. The caller has to check its status.

        After `timeout` seconds it is killed, and TimeoutError is raised.
        """
        return self._anchor.run([str(word) for word in argv], text=text, timeout=timeout)

    def must(self, argv: Sequence[str], *, text: str = "") -> str:
        """Run a command that has to succeed; returns its output. LabError if it fails."""
        return self._anchor.must(argv, text=text)

    def vipd(
        self, config_dir: str | Path, *extra: str, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start this checkout's vipd on a configuration directory; its sockets are in our /run."""
        return self.start(
            [
                *(sys.executable, "-m", "vipd.daemon"),
                *("--config-dir", Path(config_dir).absolute(), "--runtime-dir", RUNTIME_DIR),
                *("--state-dir", STATE_DIR),
                *extra,
            ],
            name="vipd",
            env=env,
        )

    def ucarp(
        self,
        *,
        vhid: int | str,
        address: str,
        password: str = "love",
        source: str | None = None,
        interface: str | None = None,
        options: Sequence[str] = (),
    ) -> Process:
        """Start the distribution's ucarp with scripts that add and delete `address` (/32).

        `source` and `interface` default to the host's first; `options` come last and override the
        others: `["--preempt", "--advskew=10"]`.
        """
        require("ucarp")
        cable = self.cable(interface)
        return self.start(
            [
                "ucarp",
                f"--interface={cable.interface}",
                f"--srcip={source or cable.addresses[0].split('/')[0]}",
                f"--vhid={vhid}",
                f"--pass={password}",
                f"--addr={address}",
                f"--upscript={VIP_UP}",
                f"--downscript={VIP_DOWN}",
                *options,
            ],
            name="ucarp",
        )

    def capture(
        self, *filter_words: str, interface: str | None = None, options: Sequence[str] = ()
    ) -> Process:
        """Start tcpdump, with decoded text in its log; returns when it listens.

        `host.capture("proto", "112", options=["-v", "-T", "carp"])`; for a file of packets instead:
        `options=["-Z", "root", "-w", path]`. Needs root: tcpdump changes its groups, which a user
        namespace forbids.
        """
        require("tcpdump")
        device = self.cable(interface).interface
        process = self.start(
            ["tcpdump", "--immediate-mode", "-l", "-n", "-i", device, *options, *filter_words],
            name="tcpdump",
        )
        process.wait_for(r"listening on", timeout=5)
        return process

    def bind(self, source: str | Path, target: str | Path) -> None:
        """Make the file or directory `source` appear as `target`, on this host only.

        `target` need not exist: the machine's own file system is not changed in any case.
        """
        self._anchor.must(["sh", "-c", BIND, "bind", str(Path(source).resolve()), str(target)])

    # -- cables

    def cable(self, interface: str | None = None) -> Cable:
        """The cable of an interface, or the first one; LabError if there is none of that name."""
        for cable in self.cables:
            if interface in (None, cable.interface):
                return cable
        names = ", ".join(cable.interface for cable in self.cables)
        raise LabError(f"{self.name} has no interface {interface!r}, only {names}")

    def cut(self, interface: str | None = None) -> None:
        """Unplug the cable (all of them unless `interface` is given): the carrier is lost."""
        self._cables(interface, "link set {0.port} down")

    def join(self, interface: str | None = None) -> None:
        """Plug the cable in again."""
        self._cables(interface, "link set {0.port} up")

    def isolate(self, interface: str | None = None) -> None:
        """Make a partition: no packet gets through, but the carrier stays."""
        self._cables(interface, "link set {0.port} nomaster")

    def rejoin(self, interface: str | None = None) -> None:
        """End the partition."""
        self._cables(interface, "link set {0.port} master {0.bridge}")

    def _cables(self, interface: str | None, command: str) -> None:
        if not self.alive:
            raise LabError(f"{self.name} has crashed; boot() it first")
        cables = self.cables if interface is None else (self.cable(interface),)
        self._world.must(["ip", "-batch", "-"], text="\n".join(map(command.format, cables)))

    # -- the whole machine

    def crash(self) -> None:
        """Simulate a power failure: the carrier is lost, then SIGKILL to everything on the host."""
        self.cut()
        self._anchor.close()
        self.history.lost_everything(time.time())

    def boot(self) -> None:
        """Switch the host on again after crash(): same cables and addresses, no process runs."""
        if self.alive:
            raise LabError(f"{self.name} is running; boot() comes after crash()")
        # The kernel takes the cables away with the old network namespace, but some time after the
        # crash. -force: go on after those that are gone. Options count only before -batch.
        self._world.run(["ip", "-force", "-batch", "-"], text=self._unplug())
        self._anchor = self._boot()

    def _unplug(self) -> str:
        return "\n".join(f"link del {cable.port}" for cable in self.cables)

    # -- addresses

    def addresses(self) -> set[str]:
        """All addresses of the host's kernel, without prefix lengths and without loopback's."""
        if not self.alive:
            return set()
        links = json.loads(self._anchor.must(["ip", "-j", "addr", "show"]))
        return {
            str(ipaddress.ip_address(info["local"]))
            for link in links
            if link.get("ifname") != "lo"
            for info in link.get("addr_info", ())
            if "local" in info
        }

    def close(self) -> None:
        """End the host and free its resources; the lab calls it at its end."""
        self._anchor.close()
        os.close(self._boot_log)
