"""vipd(8), from its own command line and its metrics."""

import argparse

import mdoc

from vipd.daemon.metrics.families import FAMILIES, VIP_LABELS, Family, OfVips
from vipd.daemon.options import EXIT_STATUS, SIGNALS, parser


def vipd_page() -> str:
    """The page."""
    options = parser()
    actions = [each for each in options._actions if each.help is not argparse.SUPPRESS]
    return mdoc.page(
        "vipd",
        8,
        "keep floating IP addresses on exactly one host each",
        [
            ("SYNOPSIS", [".Nm", *(f".Op {_head(each)}" for each in actions)]),
            ("DESCRIPTION", _description(options)),
            ("OPTIONS", mdoc.tagged((_head(each), _said(options, each)) for each in actions)),
            ("SIGNALS", mdoc.tagged(_signal(name, what) for name, what in SIGNALS.items())),
            ("METRICS", [*mdoc.lines(_METRICS), *mdoc.tagged(map(_metric, FAMILIES))]),
            ("ENVIRONMENT", mdoc.tagged(_ENVIRONMENT)),
            ("FILES", mdoc.tagged(_FILES)),
            ("EXIT STATUS", mdoc.tagged(map(_status, EXIT_STATUS.rstrip(".").split("; ")))),
            ("SEE ALSO", [".Xr vip.conf 5 ,", ".Xr io.vipd 7 ,", ".Xr ucarp 8 ,", ".Xr vipctl 8"]),
        ],
    )


def _description(options: argparse.ArgumentParser) -> list[str]:
    return [
        *mdoc.body(options.description),
        *(line for each in _MORE for line in [".Pp", *mdoc.lines(each)]),
    ]


_MORE = (
    "It reads the files of the EPEL ucarp service, see vip.conf(5), and exchanges advertisements "
    "with vipd, ucarp and BSD hosts. It needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW. It "
    "watches the files and applies changes by itself, in place where that is possible.",
    "To stop a VIP, remove its file; to stop all, stop vipd. A removal counts after 2 s, so that a "
    "file may be replaced by any method; with SIGHUP and vipctl reload it counts at once. A file "
    "that cannot be read changes nothing, nor does a directory that is missing, not accessible, on "
    "a disk that hangs, or empty because a mount is lost. vipd then reads again until it works; "
    "the log, vipctl status and vipctl doctor report it.",
    "A master holds its addresses on a lease, which only an advertisement that left renews. A "
    "second process, vipd-guard, is started and ended with vipd. When vipd dies, it removes the "
    "addresses at once; when vipd freezes or starves, it does so when their lease ends. It then "
    "sends a final advertisement for it. If the guard dies, vipd starts another and logs that; "
    "vipctl doctor reports one that is missing or does not run. If neither runs, the kernel "
    "removes the addresses, up to a second after their lease. A vipd that runs on afterwards "
    "starts as BACKUP. For addresses on which vipd has no lease, the guard runs DOWNSCRIPT (see "
    "GUARD_SCRIPT in vip.conf(5)).",
    "A master that leaves sends a final advertisement, at which a backup "
    "takes over at once, and answers until it hears the successor, so that clients notice nothing.",
    "An address has the MAC address of its interface on each host, not a virtual one as with the "
    "BSDs: a virtual MAC address needs an interface in promiscuous mode or a macvlan. Virtual "
    "switches refuse the former, the latter stays up on a dead host, and the host would answer one "
    "ARP request twice. Announcements (gratuitous ARP, neighbour advertisements) move the clients "
    "instead. For hosts and switches that lose or do not believe them there are ANNOUNCE_TO and "
    "ANNOUNCE_EVERY, see vip.conf(5).",
    "vipctl(8) shows the state and controls the daemon.",
)


def _head(action: argparse.Action) -> str:
    value = str(action.metavar) if action.metavar else ""
    return mdoc.flags(action.option_strings, value)


def _said(options: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """The help, as argparse fills it in."""
    said = (action.help or "") % {**vars(action), "prog": options.prog}
    return mdoc.lines(f"{said[:1].upper()}{said[1:]}.")


def _signal(name: str, what: str) -> tuple[str, list[str]]:
    names = " , ".join(f"Dv SIG{each}" for each in name.split(", "))
    return names, mdoc.lines(f"{what[:1].upper()}{what[1:]}.")


def _metric(family: Family) -> tuple[str, list[str]]:
    labels = (*(VIP_LABELS if isinstance(family, OfVips) else ()), *family.labels)
    kind = f"A {family.kind}{f', by {_and(labels)}' if labels else ''}."
    return f"Va {mdoc.text(family.name)}", mdoc.lines(f"{family.help} {kind}")


def _and(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _status(text: str) -> tuple[str, list[str]]:
    number, _, what = text.partition(" ")
    return f"Er {number}", mdoc.lines(f"{what[:1].upper()}{what[1:]}.")


_METRICS = (
    "With METRICS_LISTEN in vip-common.conf, see vip.conf(5), vipd serves these metrics over HTTP "
    "at /metrics, with the usual process metrics of a Prometheus client. With --only it serves "
    "none."
)
_ENVIRONMENT = [
    (
        "Ev NOTIFY_SOCKET",
        mdoc.lines("Set by systemd: the socket for readiness and watchdog, see sd_notify(3)."),
    ),
    (
        "Ev JOURNAL_STREAM",
        mdoc.lines(
            "Set by systemd when stderr is the journal. Lines then carry the fields VIPD_ID, "
            "VIPD_STATE and VIPD_REASON, so that journalctl VIPD_ID=1 works."
        ),
    ),
]
_FILES = [
    ("Pa /etc/ucarp/vip\\-NNN.conf", mdoc.lines("One virtual IP each, see vip.conf(5).")),
    ("Pa /etc/ucarp/vip\\-common.conf", mdoc.lines("Settings that they share.")),
    ("Pa /run/vipd/io.vipd", mdoc.lines("The control socket, see io.vipd(7).")),
    ("Pa /run/vipd/counter", mdoc.lines("A lower bound for the counter of every advertisement.")),
    ("Pa /var/lib/vipd", mdoc.lines("Which virtual IPs are in maintenance.")),
    (
        "Pa /usr/libexec/ucarp/vip\\-up , Pa /usr/libexec/ucarp/vip\\-down",
        mdoc.lines("The default UPSCRIPT and DOWNSCRIPT, if they are executable."),
    ),
]
