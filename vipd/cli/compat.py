"""`vipctl check --compat`: how vipd runs a given /etc/ucarp differently from ucarp.

Improvements are listed as well: a script may depend on the old behaviour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from vipd.config.model import VipConfig
from vipd.config.snapshot import Snapshot

_UCARP_PASSWORD = 19
_Texts = tuple[str, str, str]
"""The subject, ucarp's behaviour, vipd's behaviour."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``about``: IDs of the VIPs, or "all". ``ucarp`` and ``vipd`` say what each of them does."""

    about: str
    what: str
    ucarp: str
    vipd: str

    @property
    def both(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Who does what."""
        return ("ucarp", self.ucarp), ("vipd", self.vipd)


def differences(snapshot: Snapshot) -> list[Difference]:
    """Those of single VIPs first. Errors and warnings in the files are reported as such."""
    if not snapshot.vips:
        return []
    about: dict[_Texts, list[str]] = {}
    for vip in snapshot.vips:
        for texts in (*_of(vip), *_of_file(snapshot, vip)):
            about.setdefault(texts, []).append(vip.id)
    single = [Difference(" ".join(ids), *texts) for texts, ids in about.items()]
    return single + [Difference("all", *texts) for texts in _ALL]


def _of(vip: VipConfig) -> Iterator[_Texts]:
    addresses = " ".join(map(str, vip.addresses))
    first = vip.addresses[0]
    if len(vip.addresses) > 1 or not isinstance(first, IPv4Interface):
        yield (f"VIP_ADDRESS {addresses}", "refuses all but one IPv4 address", "has them")
    elif first.network.prefixlen != 32:
        yield (f"VIP_ADDRESS {first}", "refuses a prefix length", "adds it like this")
    if vip.source is None:
        yield (
            "no SOURCE_ADDRESS",
            "its service skips this file",
            f"runs it, from the primary address of {vip.interface}",
        )
    if len(vip.password.get_secret_value()) > _UCARP_PASSWORD:
        yield (
            "a password of 20 bytes",
            "refuses to start",
            "uses it; no BSD can be given it (ifconfig keeps 19 bytes)",
        )
    if vip.password_also is not None:
        yield (
            "PASSWORD_ALSO",
            'knows one password, and logs "Bad digest" for each advertisement with the other',
            "believes either, and sends each advertisement with both",
        )
    if vip.authenticate == "strict":
        yield (
            "AUTHENTICATE=strict",
            "sends no tags",
            "does not hear hosts without them: no ucarp may be in this group",
        )
    if vip.advbase == 0:
        yield (
            "--advbase=0",
            "waits no longer for a master than until its next advertisement, and so flaps",
            f"waits for {vip.deadratio} of them, as OpenBSD does",
        )
    if vip.manages_address:
        yield (
            "the address is added",
            "by UPSCRIPT (/usr/libexec/ucarp/vip-up)",
            "by vipd itself, in a millisecond; "
            + (f"then {vip.upscript} runs" if vip.upscript else "no UPSCRIPT runs"),
        )
    if vip.lease_seconds is not None and vip.manage_address != "no":
        yield (
            "it is killed, frozen or starved as master",
            "the address stays, and two hosts own it",
            f"the kernel takes it away after {vip.lease_seconds} s (valid_lft in `ip address`; "
            "LEASE=off leaves it)",
        )
    if not vip.shutdown and vip.manage_address != "no":
        yield (
            "stopped, without --shutdown",
            "DOWNSCRIPT does not run, and the address stays",
            "DOWNSCRIPT does not run, and the address is taken off",
        )
    if vip.upscript or vip.downscript:
        yield (
            "UPSCRIPT and DOWNSCRIPT",
            "waits for them, and advertises nothing meanwhile",
            f"advertises on; ends them after {vip.script_timeout} s (SCRIPT_TIMEOUT)",
        )


def _of_file(snapshot: Snapshot, vip: VipConfig) -> Iterator[_Texts]:
    if Path(vip.file).is_symlink():
        yield (
            f"{Path(vip.file).name} is a symbolic link",
            "its init script did not run it (find -type f)",
            "runs it",
        )
    if "PASSFILE" not in snapshot.places.get(vip.id, {}):
        yield (
            "no PASSFILE",
            "a service that wants PASSFILE, as later packages have it, skips this file",
            "runs it, with PASSWORD",
        )
    for key, place in snapshot.unset.get(vip.id, {}).items():
        yield (
            f"no {key}, which {Path(place.file).name} has in line {place.line}",
            "its init script read all files in one shell: what an earlier one set counted here, "
            "too (with ucarp@NNN it did not)",
            f"each file counts for itself; write {key} into vip-common.conf for all",
        )


#: What differs for every VIP.
_ALL: tuple[_Texts, ...] = (
    (
        "which files run",
        "those whose service is enabled (systemctl enable ucarp@NNN)",
        "vipd.service: every vip-*.conf, in one process; ucarp@NNN: one, in a process of its own",
    ),
    (
        "a file is changed",
        "counts after a restart",
        "counts at once, in place if it can be; a broken one leaves its VIP as it was",
    ),
    (
        "the files' language",
        "bash executes them, as root",
        "assignments are read, and nothing is executed",
    ),
    (
        "a master is stopped",
        "says nothing: nobody owns the address for deadratio × advbase seconds",
        "bows out (advbase 255, advskew 255), and answers until the next host does",
    ),
    (
        "the interface is down",
        "sleeps 10 s at a time",
        "notices at once that it is up again",
    ),
    ("the interface is not there", "ends", "waits for it"),
    (
        "somebody takes the address away (a network restart)",
        "does not notice",
        "puts it back and announces it",
    ),
    (
        "the Ethernet source of advertisements",
        "00:00:5e:00:01:VHID",
        "the interface's own address: a filter on the other one has to let it pass",
    ),
    (
        "log",
        "the syslog, as ucarp, --facility",
        "the journal (journalctl -u vipd), the same words behind the ID, and the reason; "
        "--facility, --debug and --daemonize mean nothing",
    ),
)
