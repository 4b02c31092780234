"""The command line of vipd. It is read before the rest of the daemon is imported."""

import argparse
from pathlib import Path

from vipd import __version__

LEVELS = ("debug", "info", "warning", "error")
FORMS = ("text", "kv", "json")

#: The signals' meanings, for --help and the manual page.
SIGNALS = {
    "HUP": "read the files again; a file that is gone counts at once",
    "USR1": "log every VIP's state, as ucarp does",
    "USR2": "hand every address over, and stay backup for 3 s",
    "TERM, INT": "hand every address over, and end",
}
EXIT_STATUS = (
    "0 after TERM or INT; 1 if vipd cannot run at all, and the log says why; 2 for wrong usage, or "
    "a NAME that has no file."
)


def parser() -> argparse.ArgumentParser:
    """The command line of vipd."""
    options = argparse.ArgumentParser(
        prog="vipd",
        description="Keep floating IP addresses on exactly one host each, speaking CARP with the "
        "other hosts. Runs in the foreground.",
        epilog=f"Signals: {'; '.join(f'{name}: {what}' for name, what in SIGNALS.items())}. "
        f"Exit status: {EXIT_STATUS}",
    )
    options.add_argument(
        "--config-dir",
        type=Path,
        default=Path("/etc/ucarp"),
        metavar="DIR",
        help="where vip-NNN.conf and vip-common.conf are (default: %(default)s)",
    )
    options.add_argument(
        "--only",
        metavar="NAME",
        help="run the one VIP of vip-NAME.conf (or of the file vip-NAME), for a service of its own",
    )
    options.add_argument(
        "--runtime-dir",
        type=Path,
        default=Path("/run/vipd"),
        metavar="DIR",
        help="where vipd keeps what must survive a restart of it (default: %(default)s)",
    )
    options.add_argument(
        "--state-dir",
        type=Path,
        default=Path("/var/lib/vipd"),
        metavar="DIR",
        help="where vipd keeps what must survive a reboot: what is in maintenance "
        "(default: %(default)s)",
    )
    options.add_argument(
        "--group",
        default="vipd",
        metavar="GROUP",
        help="whose members may use the control socket, as root may (default: %(default)s)",
    )
    options.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        metavar="LEVEL",
        help=f"{', '.join(LEVELS)} (default: %(default)s)",
    )
    options.add_argument(
        "--log-format",
        choices=FORMS,
        default="text",
        metavar="FORM",
        help="text: the words of ucarp; kv: key=value; json: an object a line "
        "(default: %(default)s)",
    )
    options.add_argument(
        "--realtime",
        action="store_true",
        help="run before all ordinary processes (SCHED_RR) and keep our memory from being swapped "
        "out, as far as it is permitted",
    )
    options.add_argument("--version", action="version", version=f"vipd {__version__}")
    return options
