"""Errors when a lab is built, with their remedies."""

import os
import shutil

#: Directories that ordinary users do not have in PATH (Debian has ip and ucarp there).
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

#: program → (Debian package, EL package)
PACKAGES = {
    "unshare": ("util-linux", "util-linux"),
    "mount": ("mount", "util-linux"),
    "ip": ("iproute2", "iproute"),
    "fping": ("fping", "fping (EPEL)"),
    "ucarp": ("ucarp", "ucarp (EPEL)"),
    "keepalived": ("keepalived", "keepalived"),
    "tcpdump": ("tcpdump", "tcpdump"),
    "nft": ("nftables", "nftables"),
    "ssh": ("openssh-client", "openssh-clients"),
    "ssh-keygen": ("openssh-client", "openssh"),
    "sshd": ("openssh-server", "openssh-server"),
}


class LabError(Exception):
    """The lab cannot carry out a request; the message says why and what to do."""


def search_path() -> str:
    """PATH with the system directories added at its end."""
    path = os.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep)
    return os.pathsep.join([*path, *(folder for folder in SBIN if folder not in path)])


def missing(program: str) -> LabError:
    """The error for a program that is not installed; it names the package if that is known."""
    packages = PACKAGES.get(program)
    if packages is None:
        return LabError(f"no program {program!r} on this machine: install it or give its full path")
    debian, el = packages
    return LabError(
        f"the program {program!r} is missing: "
        f"apt-get install {debian} (Debian, Ubuntu) or dnf install {el} (EL, Fedora)"
    )


def require(*programs: str) -> None:
    """Raise LabError for the first of `programs` that is not installed."""
    for program in programs:
        if shutil.which(program, path=search_path()) is None:
            raise missing(program)
