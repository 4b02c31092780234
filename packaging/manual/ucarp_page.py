"""vipd-ucarp(8), from what --help says."""

import re

import mdoc

from vipd.ucarp.main import USAGE

_OPTION = re.compile(r"--(?P<name>\w+)(=<(?P<value>\w+)>)? \(-(?P<letter>\w).*?\): (?P<what>.*)")


def ucarp_page() -> str:
    """The page."""
    options = [match for line in USAGE.splitlines() if (match := _OPTION.fullmatch(line))]
    return mdoc.page(
        "vipd-ucarp",
        8,
        "run one floating IP address, with the command line of ucarp",
        [
            ("SYNOPSIS", [".Nm", *(f".Op {_head(option)}" for option in options)]),
            ("DESCRIPTION", mdoc.body("\n\n".join(_DESCRIPTION))),
            ("OPTIONS", mdoc.tagged((_head(each), mdoc.lines(_said(each))) for each in options)),
            ("SIGNALS", mdoc.tagged(_SIGNALS)),
            ("EXIT STATUS", mdoc.tagged(_STATUS)),
            ("SEE ALSO", [".Xr vip.conf 5 ,", ".Xr ucarp 8 ,", ".Xr vipd 8"]),
        ],
    )


def _head(option: re.Match[str]) -> str:
    return mdoc.flags((f"-{option['letter']}", f"--{option['name']}"), option["value"] or "")


def _said(option: re.Match[str]) -> str:
    return f"{option['what'][:1].upper()}{option['what'][1:]}."


_DESCRIPTION = (
    "vipd-ucarp replaces the command ucarp for scripts that start it: those of Debian's package, "
    "and your own. It reads no configuration files. Options, messages, exit statuses and signals "
    "are those of ucarp 1.5.2; on the network it behaves as vipd.",
    "The upscript has to add the address; without an upscript, the address is not added. The "
    "address is held on a lease, so that the kernel removes it when vipd-ucarp is killed. A "
    "password on the command line is overwritten there at the start. If another process runs the "
    "same group on this host, vipd-ucarp waits until that process ends.",
    "Like ucarp, it exits with 0 when the interface is set down or removed, with and without -S: "
    "ifup starts it again, with the new settings. A cable that is pulled does not end it.",
    "When it is started as ucarp, these find it by that name: pidof ucarp, pgrep -x ucarp, ps -C "
    "ucarp, and start-stop-daemon --name ucarp. Programs that compare the program file do not find "
    "it, because that file is Python: pidof /usr/sbin/ucarp, and start-stop-daemon --exec "
    "/usr/sbin/ucarp, which would start a second process and overwrite the --pidfile. Write --name "
    "ucarp --startas /usr/sbin/ucarp instead of --exec.",
)
_SIGNALS = [
    ("Dv SIGUSR1", mdoc.lines("Log the state.")),
    ("Dv SIGUSR2", mdoc.lines("Hand over, and stay backup for 3 s.")),
    (
        "Dv SIGTERM , Dv SIGINT , Dv SIGHUP , Dv SIGQUIT",
        mdoc.lines("Hand over, and end; with -z the downscript runs."),
    ),
]
_STATUS = [
    (
        "Er 0",
        mdoc.lines("A signal or the interface ended it; --help; an unknown option."),
    ),
    ("Er 1", mdoc.lines("A value is missing or cannot be used.")),
    ("Er 2", mdoc.lines("The interface (down, for instance) or the password cannot be used.")),
]
