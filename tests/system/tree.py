"""What a machine boots from: a small Debian with the real ucarp, made once and kept."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

#: Debian 12, with the systemd that EL9 has (252) and the Python that an .rpm made on it is for.
SUITE = "bookworm"
PACKAGES = (
    "dbus",
    "iproute2",
    "iputils-ping",
    "libgcc-s1",
    "procps",
    "python3",
    "rpm",
    "systemd",
    "systemd-sysv",
    "ucarp",
)
MAKE_WITHIN = 900.0  # seconds; a minute where the package mirror is near


def tree() -> Path:
    """The directory; made now if there is none, in about a minute. It is never written to again."""
    words = " ".join((SUITE, *PACKAGES))
    key = hashlib.sha256(words.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "vipd-test-system")
    finished = cache / f"{SUITE}-{key}"
    if not finished.exists():
        cache.mkdir(parents=True, exist_ok=True)
        growing = cache / f"{finished.name}.{os.getpid()}"
        _make(growing)
        growing.rename(finished)
    return finished


def _make(directory: Path) -> None:
    include = ",".join(PACKAGES)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", SUITE]
    try:
        subprocess.run(
            [*command, str(directory)],
            check=True,
            timeout=MAKE_WITHIN,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise RuntimeError(f"no tree to boot from: {error.stderr[-2000:]}") from error
