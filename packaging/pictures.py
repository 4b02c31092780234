"""``python packaging/pictures.py [DIRECTORY]``: what vipctl shows, as SVG (default: docs/pictures).

Two hosts run the published pair; web01's cable is pulled and plugged in again. Each picture is what
a command printed on web01 at a terminal then, nothing added but the line that called it.
"""

import io
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from vipd.lab import Host, Lab, Process

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 104, 22
TERMINAL = ("env", "TERM=xterm-256color", f"COLUMNS={WIDTH}", f"LINES={HEIGHT}")
FIRST, SECOND = "198.51.100.154", "198.51.100.155"
WATCHED = 75
"""Seconds for which `watch` runs, so that its strips have something to show."""
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""The web font that rich would make the browser download; any monospace font will do."""
SCREEN_ENDS = "\x1b[?1049l"


def terminal(*words: str) -> list[str]:
    """vipctl at a terminal of this size; script(1) provides it."""
    command = shlex.join((sys.executable, "-m", "vipd.cli.main", *words))
    return [*TERMINAL, "script", "-qec", command, "/dev/null"]


def draw(directory: Path, name: str, output: str) -> None:
    """One picture: a prompt with the command, and what it printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ vipctl {name}", style="bold"))
    for line in output.replace("\r\n", "\n").rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), soft_wrap=False)
    file = directory / f"{name.split()[0]}.svg"
    picture = console.export_svg(title=f"vipctl {name}", unique_id=f"vipd-{file.stem}")
    file.write_text(FONT.sub("", picture))
    print(file)


def take(directory: Path, host: Host, command: str) -> None:
    """Run a command there and draw it."""
    draw(directory, command, host.run(terminal(*command.split()), timeout=30).stdout)


def start_watch(host: Host) -> Process:
    """`vipctl watch`, ended by Ctrl-C after a while."""
    watch = shlex.join((sys.executable, "-m", "vipd.cli.main", "watch"))
    command = f"timeout --foreground -s INT {WATCHED} {watch}"
    return host.start([*TERMINAL, "script", "-qec", command, "/dev/null"], name="watch")


def install(host: Host, directory: Path) -> None:
    """The example's files of this host, where a real one has them."""
    files = directory / host.name
    shutil.copytree(ROOT / "conf.d.example" / host.name, files)
    for file in files.iterdir():
        file.chmod(0o600)
    host.bind(files, "/etc/ucarp")


def disturb(host: Host) -> None:
    """Give `vipctl doctor` findings: an unsuitable kernel setting, and a careless copy."""
    done = host.run(
        [
            "sh",
            "-c",
            "echo 8 >/proc/sys/net/ipv4/conf/eth1/arp_ignore; chmod 666 /etc/ucarp/*2.conf",
        ]
    )
    assert done.returncode == 0, done.stderr


def main() -> None:
    """Take all pictures."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures"
    directory.mkdir(parents=True, exist_ok=True)
    with Lab() as lab, TemporaryDirectory() as files:
        Path(files).chmod(0o755)
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        began = time.monotonic()
        for host in (web01, web02):
            install(host, Path(files))
            host.vipd("/etc/ucarp")
        lab.wait_owner(FIRST, "web01", stable=2, timeout=30)
        lab.wait_owner(SECOND, "web02", stable=2, timeout=30)
        watch = start_watch(web01)
        time.sleep(15)
        web01.cut()
        lab.wait_owner(FIRST, "web02", stable=10, timeout=30)
        web01.join()
        lab.wait_owner(FIRST, "web01", stable=5, timeout=30)
        for command in ("check", "status", "history", "why 002"):
            take(directory, web01, command)
        disturb(web01)
        take(directory, web01, "doctor")
        time.sleep(max(began + WATCHED - 20 - time.monotonic(), 0))
        take(directory, web01, "maintenance on 001")
        watch.wait(timeout=WATCHED)
        draw(directory, "watch", watch.log().rpartition(SCREEN_ENDS)[2])


if __name__ == "__main__":
    main()
