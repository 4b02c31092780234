"""Where it ran: figures mean little without it."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import vipd
from vipd.lab.errors import search_path


def surroundings() -> list[str]:
    """Machine, kernel and versions, a line each."""
    return [
        f"Machine: {_processor()}, {os.cpu_count()} cores, {_memory():.1f} GB; "
        f"load when it began {os.getloadavg()[0]:.1f}",
        f"System: {_distribution()}, Linux {platform.release()} {platform.machine()}",
        f"vipd {vipd.__version__}{_commit()} on Python {platform.python_version()}; "
        f"{_version('ucarp', '--help')}; {_version('keepalived', '--version')}",
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"


def _commit() -> str:
    if not shutil.which("git"):
        return ""
    git = ["git", "-C", str(Path(vipd.__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return f" ({commit})" if commit else ""


def _version(program: str, option: str) -> str:
    """The first line a program says about itself, its date left out."""
    path = shutil.which(program, path=search_path())
    if path is None:
        return f"{program} is not installed"
    said = subprocess.run([path, option], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).strip().splitlines()
    return re.split(r" - | \(", lines[0])[0] if lines else program
