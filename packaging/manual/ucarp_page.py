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
    "For what starts ucarp by itself: the scripts of Debian's package, and people's own. It reads "
    "no configuration files. Options, messages, exit statuses and signals are those of ucarp "
    "1.5.2; on the network it does what vipd does. It is an alternative for the command ucarp.",
    "The upscript has to add the address; without one, nobody does. The address is held on a "
    "lease, so that it goes when this program is killed. A password on the command line is "
    "overwritten there at the start. If another process runs the same group on this host, it "
    "waits for its end.",
    "As ucarp, it ends with status 0 when the interface is set down or goes away, whatever -S "
    "says: ifup starts it again, with the settings of that time. A cable that is pulled does not "
    "end it.",
    "Under the name ucarp it is found by that name: by pidof ucarp, pgrep -x ucarp, ps -C ucarp, "
    "and start-stop-daemon --name ucarp. What compares the program file does not find it, because "
    "that is Python's: pidof /usr/sbin/ucarp, and start-stop-daemon --exec /usr/sbin/ucarp, which "
    "would start a second one and overwrite the --pidfile. Write --name ucarp --startas "
    "/usr/sbin/ucarp in place of --exec.",
)
_SIGNALS = [
    ("Dv SIGUSR1", mdoc.lines("Log the state.")),
    ("Dv SIGUSR2", mdoc.lines("Hand over, and be no master again for 3 s.")),
    (
        "Dv SIGTERM , Dv SIGINT , Dv SIGHUP , Dv SIGQUIT",
        mdoc.lines("Hand over, and end; with -z the downscript runs."),
    ),
]
_STATUS = [
    (
        "Er 0",
        mdoc.lines("Ended by a signal, or with its interface; help; an option that there is not."),
    ),
    ("Er 1", mdoc.lines("A value that cannot be used, or one that is missing.")),
    ("Er 2", mdoc.lines("The interface (down, for instance) or the password cannot be used.")),
]
