"""What is wrong with the machine around the files: a ucarp that still runs, services that are
enabled side by side, scripts that cannot run, files with a wrong SELinux label.

Changes nothing; skips what it may not read.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from vipd.config.load import DEFAULT_SCRIPTS
from vipd.config.options import group_of
from vipd.config.problem import FileLocation, Problem, shown, warning
from vipd.config.snapshot import Snapshot
from vipd.linux.group_claims import of_ucarps, watched
from vipd.linux.names import canonical

_SYSTEM = Path("/etc/systemd/system")
#: Types of files that a confined service may not read, or that nobody has labelled yet.
_WRONG_TYPES = ("admin_home_t", "default_t", "tmp_t", "unlabeled_t", "user_home_t", "user_tmp_t")


def machine_problems(
    snapshot: Snapshot,
    directory: Path,
    *,
    system: Path = _SYSTEM,
    scripts: Path = DEFAULT_SCRIPTS,
    label: Callable[[str], str] | None = None,
) -> list[Problem]:
    """A warning for each; ``system`` is where systemd keeps what is enabled, ``label`` tells the
    SELinux label of a file."""
    return [
        *_still_running(snapshot),
        *_enabled_twice(system),
        *_default_scripts(snapshot, scripts),
        *_left_over(directory),
        *_labels(snapshot, scripts, label or selinux_label),
    ]


def _still_running(snapshot: Snapshot) -> Iterator[Problem]:
    ucarps = of_ucarps(group_of)
    for vip in snapshot.vips:
        process = ucarps.get((canonical(vip.interface), vip.vhid))
        tenant = watched(process) if process else None
        if tenant is None:
            continue
        unit = tenant.unit
        tenant.close()
        stop = f"systemctl disable --now {unit}" if unit else f"kill {process}"
        yield warning(
            FileLocation(vip.file),
            f"{tenant.name} runs VHID {vip.vhid} on {shown(vip.interface)}; vipd waits until it "
            "has ended",
            f"{stop}, when vipd is to take over",
        )


def _enabled_twice(system: Path) -> Iterator[Problem]:
    """Both services enabled: nothing breaks, but the one that starts first has the VIP."""
    with suppress(OSError):
        links = [link for link in system.glob("*.wants/*.service") if link.is_symlink()]
        every = [link for link in links if link.name in ("vipd.service", "ucarp.service")]
        single = sorted(link for link in links if link.name.startswith("ucarp@"))
        if every and single:
            names = " ".join(link.name.removesuffix(".service") for link in single)
            yield warning(
                FileLocation(str(single[0])),
                f"{every[0].name} and {names} are both enabled: at the next boot, who starts first "
                "has the VIP, and the other waits",
                f"systemctl disable {names} (or {every[0].name}, to run VIPs one by one)",
            )


def _default_scripts(snapshot: Snapshot, scripts: Path) -> Iterator[Problem]:
    """A script that is named in a file is looked at when the file is read."""
    script = scripts / "vip-up"
    unused = [vip.id for vip in snapshot.vips if vip.upscript is None]
    with suppress(OSError):
        if unused and script.exists() and not os.access(script, os.X_OK):
            yield warning(
                FileLocation(str(script)),
                "the default UPSCRIPT is not executable, so vipd adds the addresses of "
                f"{', '.join(unused)} itself (ucarp would have added none)",
                f"chmod +x {script}, or remove it",
            )


def _left_over(directory: Path) -> Iterator[Problem]:
    with suppress(OSError):
        for saved in sorted(directory.glob("vip-*.rpmsave")):
            if not saved.with_suffix("").exists():
                yield warning(
                    FileLocation(str(saved)),
                    "saved when the package ucarp was removed, and not read under this name",
                    f"mv {saved} {saved.with_suffix('')}, if it is still meant",
                )


def _labels(snapshot: Snapshot, scripts: Path, label: Callable[[str], str]) -> Iterator[Problem]:
    named = {
        script
        for vip in snapshot.vips
        for script in (vip.upscript, vip.downscript, *vip.notify[:1])
    }
    defaults = {str(scripts / "vip-up"), str(scripts / "vip-down")}
    for file in sorted({*snapshot.files, *defaults, *(name for name in named if name)}):
        _, _, kind, *_ = (*label(file).split(":"), "", "", "")
        if kind in _WRONG_TYPES:
            yield warning(
                FileLocation(file),
                f"its SELinux type is {kind}, which a service may not use",
                f"restorecon -v {file}",
            )


def selinux_label(file: str) -> str:
    """For instance system_u:object_r:etc_t:s0; "" without SELinux, or without the file."""
    try:
        return os.getxattr(file, "security.selinux").decode(errors="replace").rstrip("\0")
    except OSError:
        return ""
