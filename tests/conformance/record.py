"""``python -m conformance.record FILE.hex …``: have the real ucarp send these frames anew.

A file says in its first line how ucarp was started, as in ``# ucarp -v 1 -p love …``, and holds one
of its advertisements. With -b 255 that takes 4 minutes.
"""

import re
import shlex
import sys
from pathlib import Path

from vipd.lab import Host, Lab

from .packets import written


def start(lab: Lab, number: int, options: list[str]) -> Host:
    """A host with a cable of its own, on which ucarp talks to nobody."""
    source = options[options.index("-s") + 1]
    host = lab.host(f"host{number}", f"{source}/24", bridge=f"lan{number}")
    host.capture("proto", "112", options=("-xx",))
    quick = ("-i", "eth1", "-u", "/bin/true", "-d", "/bin/true", "-r", "1")
    host.start(["ucarp", *quick, *options])
    return host


def first_frame(host: Host) -> bytes:
    capture = host.processes[0]
    capture.wait_for(r"0x0040: .*\n", timeout=600)
    dump = capture.log().split("IP ")[1]
    return bytes.fromhex("".join(re.findall(r"0x[0-9a-f]+:  ([0-9a-f ]+)", dump)))


def main(paths: list[Path]) -> None:
    commands = [path.read_text().splitlines()[0].removeprefix("# ") for path in paths]
    with Lab(history=False) as lab:
        hosts = [
            start(lab, number, shlex.split(command)[1:]) for number, command in enumerate(commands)
        ]
        for path, command, host in zip(paths, commands, hosts, strict=True):
            path.write_text(written(first_frame(host), command))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
