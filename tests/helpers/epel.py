"""What EPEL's ucarp services make of a directory of files: they have bash execute them.

There were two kinds of them. The init script read all files in one shell, one after the other. The
wrapper of ucarp@NNN reads one file. Either wants PASSWORD, or in later packages PASSFILE.
"""

import ctypes
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from helpers.getopt import glibc_reads

#: For each file, ended by a byte 1: its name, what it lacks, and the words for ucarp, each ended
#: by a zero byte.
_SERVICE = r"""
CONFDIR=$1 SECRET=$2 OPTION=$3 HOW=$4
UPSCRIPT=/usr/libexec/ucarp/vip-up DOWNSCRIPT=/usr/libexec/ucarp/vip-down
start() {
    ID=${FILE#vip-} ID=${ID%.conf}
    [ ! -e "$CONFDIR/vip-common.conf" ] || . "$CONFDIR/vip-common.conf"
    . "$CONFDIR/$FILE"
    __lacks=
    for __key in $SECRET BIND_INTERFACE SOURCE_ADDRESS VIP_ADDRESS; do
        [ -n "${!__key}" ] || __lacks="$__lacks $__key"
    done
    printf '%s\0' "$FILE" "$__lacks" --interface=$BIND_INTERFACE $OPTION=${!SECRET} \
        --srcip=$SOURCE_ADDRESS --vhid=$ID --addr=$VIP_ADDRESS $OPTIONS \
        --upscript=$UPSCRIPT --downscript=$DOWNSCRIPT
    printf '\1'
}
cd / # where no file answers to a pattern in the files
for FILE in $(cd "$CONFDIR" && LC_COLLATE=C ls | grep -E '^vip-[0-9]+\.conf$'); do
    if [ $HOW = together ]; then start; else (start); fi
done
"""

_LIBC = ctypes.CDLL(None)
_LIBC.strtoul.restype = ctypes.c_ulong


@dataclass(frozen=True, slots=True)
class Started:
    """How a service starts ucarp for a file. `refused`: why it, or ucarp, would not have run it; ""
    if it ran. `settings` are ucarp's then."""

    file: str
    refused: str
    settings: dict[str, object]


def services(directory: Path) -> Iterator[tuple[str, list[Started]]]:
    """Each service, by its name, and what it makes of the files."""
    kinds = ("init script", "together"), ("ucarp@NNN", "apart")
    secrets = ("PASSWORD", "--pass"), ("PASSFILE", "--passfile")
    for (name, how), (secret, option) in product(kinds, secrets):
        command = ["bash", "--norc", "-c", _SERVICE, "bash", str(directory), secret, option, how]
        done = subprocess.run(
            command, capture_output=True, env={"PATH": "/usr/bin:/bin"}, check=True, timeout=30
        )
        records = done.stdout.decode().split("\1")[:-1]
        yield f"{name}, {secret}", [_started(each.split("\0")[:-1]) for each in records]


def _started(record: list[str]) -> Started:
    file, lacks, *words = record
    if lacks:
        return Started(file, f"without{lacks}", {})
    read = glibc_reads(words)
    if read is None:
        return Started(file, "ucarp: options", {})
    given = dict(read)  # of an option, the last counts

    def number(letter: str, default: int) -> int:
        text = given.get(letter)
        return default if text is None else int(_LIBC.strtoul(text.encode(), None, 0))

    vhid = number("v", 0)
    if not 1 <= vhid <= 255:
        return Started(file, "ucarp: VHID", {})
    passfile = given.get("o")
    secret = Path(passfile).read_text().split("\n")[0] if passfile else given["p"]
    settings: dict[str, object] = {
        "vhid": vhid,
        "interface": given["i"],
        "source": given["s"],
        "address": given["a"],
        "password": secret,
        "advbase": number("b", 1),
        "advskew": number("k", 0),
        "deadratio": number("r", 3),
        "preempt": "P" in given,
        "neutral": "n" in given,
        "shutdown": "z" in given,
    }
    return Started(file, "", settings)
