"""Carries out the last wills of a daemon that was killed (`vipd.daemon.wills`).

``vipd-farewell`` is what systemd starts when the service has ended, in whatever way (ExecStopPost);
the next vipd does the same when it starts. Each will: take the addresses off, and if they were
still there, bow out (an advertisement with advbase and advskew 255, which makes the next host take
over at once; OpenBSD does it, and ucarp obeys it). If they were not there, their lease had ended,
and somebody else has taken over: then nobody must be told to. The same goes for a daemon that the
watchdog killed (SERVICE_RESULT), even if it held its addresses without a lease: it had not spoken
for so long that others have.

Clients are waiting while this runs, so it imports next to nothing: the module `socket` alone would
double the 11 ms that Python takes to start.
"""

import _socket
import os
import sys
from collections.abc import Iterator

#: How the lines of a will begin. PREPARE: a request that comes before those to delete.
INTERFACE, PREPARE, DELETE, SEND = "interface", "prepare", "delete", "send"

_NETLINK_ROUTE = 0
_ETH_P_IP = 0x0800
#: Longest answer to a request of ours: the error code, 0 or -errno, stands behind its header.
_ANSWER = 4096
_ERROR_AT = slice(16, 20)
_LONGEST_WILL = 1 << 20
_USAGE = "usage: vipd-farewell [--runtime-dir DIR]\n"


def wills_in(runtime_dir: str) -> str:
    """The directory of the wills."""
    return f"{runtime_dir}/farewell"


def carry_out(runtime_dir: str, bow_out: bool = True) -> Iterator[str]:
    """Carry out every will there is, and destroy it; a line for people about each.

    Not while the daemon lives. A will that cannot be read is destroyed, too.
    """
    directory = wills_in(runtime_dir)
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 (no pathlib: see above)
    except FileNotFoundError:
        return
    if not names:
        return
    # One socket of each kind for all: to close a packet socket takes the kernel 10 ms.
    netlink = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)
    netlink.bind((0, 0))
    wire = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, 0)
    try:
        for name in names:
            path = f"{directory}/{name}"
            vip = name.removeprefix("vip-")
            try:
                yield f"{vip}: {_carry_out(_read(path), netlink, wire if bow_out else None)}"
            except (OSError, ValueError) as error:
                yield f"{vip}: {error}; the other hosts take over when their time is up"
            os.unlink(path)  # noqa: PTH108
    finally:
        netlink.close()
        wire.close()


def _read(path: str) -> list[list[str]]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        text = os.read(descriptor, _LONGEST_WILL).decode()
    finally:
        os.close(descriptor)
    if not text.endswith("\n"):
        raise ValueError("was killed while it wrote its will")
    return [line.split(" ", 1) for line in text.splitlines()]


def _carry_out(will: list[list[str]], netlink: _socket.socket, wire: _socket.socket | None) -> str:
    interface = next(value for key, value in will if key == INTERFACE)
    there = False
    for key, value in will:
        if key in (PREPARE, DELETE):
            netlink.send(bytes.fromhex(value))
            done = not any(netlink.recv(_ANSWER)[_ERROR_AT])
            there |= done and key == DELETE
    if not there:
        return "was killed; the lease on its addresses had ended already"
    if wire is None:
        return "was killed after a silence; its addresses are taken off"
    for key, value in will:
        if key == SEND:
            wire.sendto(bytes.fromhex(value), (interface, _ETH_P_IP))
    return "was killed; its addresses are taken off, and the next host is told to take over"


def _hurry() -> None:
    """The machine may be starved: perhaps that is why the daemon was killed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # not permitted: then as fast as it goes
        return


def main() -> None:
    """Entry point of `vipd-farewell`."""
    match sys.argv[1:]:
        case []:
            runtime_dir = "/run/vipd"
        case ["--runtime-dir", runtime_dir]:
            pass
        case _:
            sys.stderr.write(_USAGE)
            sys.exit(2)
    _hurry()
    for line in carry_out(runtime_dir, os.environ.get("SERVICE_RESULT") != "watchdog"):
        sys.stderr.write(f"<4>{line}\n")


if __name__ == "__main__":
    main()
