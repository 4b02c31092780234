"""Carries out the last wills of a daemon that was killed (`vipd.daemon.cleanup.wills`).

systemd starts ``vipd-farewell`` when the service has ended, in whatever way (ExecStopPost); the
next vipd does the same when it starts. For each will, it deletes the addresses. If they were still
there, it sends a final advertisement (advbase and advskew 255), which makes a backup take over at
once (OpenBSD sends it, and ucarp obeys it). If they were not there, their lease had expired and
another host has taken over: then no final advertisement is sent. Addresses that vipd does not hold
are removed by their DOWNSCRIPT, after all others, and when it has succeeded, it sends the final
advertisement. None is sent for a daemon
that the watchdog killed (SERVICE_RESULT), even if its addresses had no lease: it had not advertised
for so long that a backup has taken over.

Clients have no service while this runs, so it imports next to nothing: the module `socket` alone
would double the 11 ms that Python takes to start.
"""

import _socket
import os
import stat
import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vipd.daemon.cleanup.last_scripts import LastScript

#: First words of the lines of a will. PREPARE: a request that is sent before the deletions. SEND:
#: an Ethernet frame; ROUTE: an IP packet. (A DOWNSCRIPT: `vipd.daemon.cleanup.last_scripts`.)
INTERFACE, PREPARE, DELETE, SEND, ROUTE = "interface", "prepare", "delete", "send", "route"

_NETLINK_ROUTE = 0
#: Longest answer to a request of ours: the error code, 0 or -errno, follows the header.
_ANSWER = 4096
_SEQUENCE_AT, _ERROR_AT = slice(8, 12), slice(16, 20)
_HEADER = 16  # bytes, of a request
_REQUEST_AND_ACK = 0x5
#: Netlink requests that a will may have: RTM_SETLINK to prepare, RTM_DELADDR to delete.
_KINDS = {PREPARE: 19, DELETE: 21}
_LONGEST_WILL = 1 << 20
_LONGEST_INTERFACE = 15
_FRAMES = range(14, 1515)  # lengths in bytes
_PACKETS = {4: 56, 6: 76}  # likewise, by IP version
_PROTOCOL = 112
_IPV6_HDRINCL = 36
#: Seconds to wait for the kernel's answer, which comes at once, and for room to send a frame.
_PATIENCE = 1.0
#: Seconds for all DOWNSCRIPTs together: systemd does not start vipd again before.
_SCRIPTS_TAKE = 30
MEANWHILE = "the other hosts take over when their time is up"
#: A will: interface, netlink requests (with PREPARE or DELETE), frames and IP packets.
Understood = tuple[str, list[tuple[str, bytes]], list[bytes], list[bytes]]
_USAGE = "usage: vipd-farewell [--runtime-dir DIR]\n"


def wills_in(runtime_dir: str) -> str:
    """The directory of the wills."""
    return f"{runtime_dir}/farewell"


def trusted(directory: os.stat_result) -> bool:
    """Whether only root and this process's user can have written the files in a directory."""
    return directory.st_uid in (0, os.geteuid()) and not directory.st_mode & 0o022


def carry_out(
    runtime_dir: str, bow_out: bool = True, owed: "set[str] | None" = None
) -> "Iterator[str]":
    """Carry out every will, and delete it; yield a line about each. Never raises. ``owed``: gets
    the IDs of VIPs whose DOWNSCRIPT has to run; None: run it, and wait for it.

    Must not be called while the daemon runs. A will that other users may have written is not
    carried out. A will that cannot be read does not stop the others: it is deleted, or set aside as
    NAME.refused.
    """
    directory = wills_in(runtime_dir)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        wills = os.open(directory, flags)
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"{directory} cannot be read: {error.strerror}; {_set_aside(runtime_dir, directory)}"
        return
    try:
        if trusted(os.fstat(wills)):
            yield from _carry_out_all(runtime_dir, wills, bow_out, owed)
        else:
            aside = _set_aside(runtime_dir, directory)
            yield f"{directory} is not believed, because others may write there; {aside}"
    except OSError as error:  # no socket, for instance
        yield f"{directory}: {error}; {MEANWHILE}"
    finally:
        os.close(wills)


def _carry_out_all(
    runtime_dir: str, wills: int, bow_out: bool, owed: "set[str] | None"
) -> "Iterator[str]":
    names = sorted(os.listdir(wills))
    if not names:
        return
    tools = Tools()
    pending: list[tuple[str, str, Understood, LastScript]] = []
    try:
        for name in names:
            vip, script = _vip(name), None
            try:
                will = _read(name, wills)
                what, script = understood(will), _script(will)
                done = fulfil(what, tools, bow_out)
                if script and owed is None:
                    pending.append((vip, name, what, script))
                elif script and owed is not None:
                    owed.add(vip)
            except (OSError, ValueError) as error:
                done = f"its will was not carried out: {error}; {MEANWHILE}"
            if not (script and owed is None):  # else it stays until the script has run
                done += _delete(runtime_dir, name, wills)
            yield f"{vip}: {done}"
        if pending:
            yield from _run(pending, tools, bow_out)
        for vip, name, _, _ in pending:
            if failed := _delete(runtime_dir, name, wills):
                yield f"{vip}{failed}"
    finally:
        tools.close()


def _vip(name: str) -> str:
    vip = name.removeprefix("vip-")
    return vip if vip.isascii() and vip.isprintable() else ascii(vip)


def _script(will: bytes) -> "LastScript | None":
    """Its DOWNSCRIPT, if it has one. Raises ValueError."""
    if b"\nrun " not in will:
        return None
    from vipd.daemon.cleanup import last_scripts  # only here: hardly any will has one

    return last_scripts.in_will(will)


def _run(
    pending: "list[tuple[str, str, Understood, LastScript]]", tools: "Tools", bow_out: bool
) -> "Iterator[str]":
    """Run these scripts, for a bounded time; yield a line about each."""
    from vipd.daemon.cleanup import last_scripts

    scripts, lines, until = last_scripts.LastScripts(), list[str](), monotonic() + _SCRIPTS_TAKE
    for vip, name, will, script in pending:

        def ended(status: int | None, vip: str = vip, will: Understood = will) -> None:
            lines.append(f"{vip}: {fulfil_later(will, tools, bow_out, status)}")

        scripts.add(name, script.because(last_scripts.KILLED), ended)
    while scripts.keys and (left := until - monotonic()) > 0:
        scripts.look()
        scripts.sleep(left * 1000)
    scripts.look()
    for vip, name, _, _ in pending:
        if name in scripts.keys:
            scripts.cancel(name)
            lines.append(f"{vip}: DOWNSCRIPT is not waited for: vipd runs it when it starts again")
    yield from lines


def _delete(runtime_dir: str, name: str, wills: int) -> str:
    """Delete a will; return what else there is to say."""
    try:
        os.unlink(name, dir_fd=wills)
    except OSError:
        return f"; {_set_aside(runtime_dir, name, wills)}"
    return ""


def _set_aside(runtime_dir: str, path: str, directory: int | None = None) -> str:
    """Rename it to NAME.refused; return the outcome as text."""
    aside = f"{runtime_dir}/{os.path.basename(path)}.refused"  # noqa: PTH119
    try:
        os.rename(path, aside, src_dir_fd=directory)
    except OSError as error:
        return f"it cannot be set aside ({error.strerror}): remove it"
    return f"it is {aside!a} now: see what it is, and remove it"


def _read(name: str, wills: int) -> bytes:
    """Raises OSError, or ValueError if it is not a file of ours."""
    # Do not follow a link, and do not wait for the writer of a FIFO.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(name, flags, dir_fd=wills)
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a file")
        if not trusted(about) or about.st_nlink > 1:
            raise ValueError("others may have written it")
        return os.read(file, _LONGEST_WILL)
    finally:
        os.close(file)


class Tools:
    """The sockets for all wills, one of each kind: closing a packet socket takes the kernel 10 ms.
    Raises OSError."""

    def __init__(self) -> None:
        self.netlink = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)
        self.netlink.bind((0, 0))
        self.netlink.settimeout(_PATIENCE)
        self.wire = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, 0)
        self.wire.settimeout(_PATIENCE)

    def close(self) -> None:
        self.netlink.close()
        self.wire.close()


def fulfil(
    will: Understood,
    tools: Tools,
    bow_out: bool,
    what: str = "was killed",
    *,
    lease_ended: bool = False,
) -> str:
    """Carry out a will; return the outcome as text, which begins with ``what`` happened. Sends the
    final advertisement, if ``bow_out``, only for addresses that were still there; or if their
    lease has just ended, which the kernel may have seen first. Raises OSError."""
    requests = will[1]
    if not requests:
        return f"{what}; DOWNSCRIPT has to remove its addresses, which have no lease"
    there = False
    for number, (key, request) in enumerate(requests, 1):
        done = _ask(tools.netlink, number, request)
        there |= done and key == DELETE
    if not there:
        gone = f"{what}; the lease on its addresses had ended already"
        return f"{gone}, {_told(will, tools)}" if lease_ended and bow_out else gone
    if not bow_out:
        return f"{what}, after a silence; its addresses are taken off"
    return f"{what}; its addresses are taken off, {_told(will, tools)}"


def fulfil_later(will: Understood, tools: Tools, bow_out: bool, status: int | None) -> str:
    """DOWNSCRIPT has ended with this status (negative: a signal; None: it does not end, or could
    not be started). Send the final advertisement, if ``bow_out``, when it succeeded and there was
    nothing else to remove; return the outcome as text. Never raises."""
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return f"DOWNSCRIPT failed: {how}; see whether its addresses are gone; {MEANWHILE}"
    if status is None:
        return f"DOWNSCRIPT did not start, or does not end: remove its addresses; {MEANWHILE}"
    if will[1] or not bow_out:
        return "DOWNSCRIPT has run"
    return f"DOWNSCRIPT has run, {_told(will, tools)}"


def _told(will: Understood, tools: Tools) -> str:
    """Send the final advertisement; return the outcome as text."""
    interface, _, frames, packets = will
    failures = list(_tell(interface, frames, packets, tools.wire))
    if failures and len(failures) == len(frames) + len(packets):
        return f"but nobody is told: {failures[0]}; {MEANWHILE}"
    return "and the next host is told to take over"


def _tell(
    interface: str, frames: list[bytes], packets: list[bytes], wire: _socket.socket
) -> "Iterator[OSError]":
    """Send the final advertisement; yield why one of these could not be sent."""
    for frame in frames:
        try:
            wire.sendto(frame, (interface, int.from_bytes(frame[12:14], "big")))
        except OSError as error:
            yield error
    for packet in packets:
        try:
            _route(packet, interface)
        except OSError as error:
            yield error


def _route(packet: bytes, interface: str) -> None:
    """Send an IP packet as the kernel routes it. Raises OSError."""
    if packet[0] >> 4 == 4:
        family, option = _socket.AF_INET, (_socket.IPPROTO_IP, _socket.IP_HDRINCL, 1)
    else:
        family, option = _socket.AF_INET6, (_socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
    opened = _socket.socket(family, _socket.SOCK_RAW, _PROTOCOL)
    try:
        opened.setsockopt(*option)
        if family == _socket.AF_INET:
            opened.sendto(packet, (_socket.inet_ntop(family, packet[16:20]), 0))
        else:
            local = packet[24:26] >= b"\xfe\x80" and packet[24:26] < b"\xfe\xc0"
            scope = _socket.if_nametoindex(interface) if local else 0
            opened.sendto(packet, (_socket.inet_ntop(family, packet[24:40]), 0, 0, scope))
    finally:
        opened.close()


def understood(will: bytes) -> Understood:
    """Interface, netlink requests (with PREPARE or DELETE), frames and IP packets. Raises
    ValueError."""
    text = will.decode()
    if not text.endswith("\n"):
        raise ValueError("vipd was killed while it wrote its will")
    lines = [(key, value) for key, _, value in (line.partition(" ") for line in text.split("\n"))]
    interface = next((value for key, value in lines if key == INTERFACE), "")
    if not 0 < len(os.fsencode(interface)) <= _LONGEST_INTERFACE or "\0" in interface:
        raise ValueError("it names no interface")
    requests = [(key, bytes.fromhex(value)) for key, value in lines if key in _KINDS]
    for key, request in requests:
        length, kind, flags = (
            int.from_bytes(request[begin:end], sys.byteorder)
            for begin, end in ((0, 4), (4, 6), (6, 8))
        )
        # The kernel answers each complete request that has NLM_F_ACK.
        whole = length == len(request) >= _HEADER
        if not whole or kind != _KINDS[key] or flags != _REQUEST_AND_ACK:
            raise ValueError(f"a request to {key} is none")
    frames = [bytes.fromhex(value) for key, value in lines if key == SEND]
    if any(len(frame) not in _FRAMES for frame in frames):
        raise ValueError("a frame has no length that a frame can have")
    packets = [bytes.fromhex(value) for key, value in lines if key == ROUTE]
    if any(_PACKETS.get(packet[0] >> 4 if packet else 0) != len(packet) for packet in packets):
        raise ValueError("a packet is no advertisement")
    return interface, requests, frames, packets


def _ask(netlink: _socket.socket, number: int, request: bytes) -> bool:
    """Whether the kernel carried it out. Raises OSError, and TimeoutError."""
    sequence = number.to_bytes(4, sys.byteorder)
    netlink.send(request[:8] + sequence + request[12:])
    while True:
        answer = netlink.recv(_ANSWER)
        if answer[_SEQUENCE_AT] == sequence:
            return not any(answer[_ERROR_AT])


def hurry() -> None:
    """Use real-time priority: CPU starvation may be why the daemon was killed, or is late."""
    try:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK  # scripts are ordinary processes
        os.sched_setscheduler(0, policy, os.sched_param(1))
    except OSError:  # not permitted: continue with ordinary priority
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
    hurry()
    for line in carry_out(runtime_dir, os.environ.get("SERVICE_RESULT") != "watchdog"):
        try:
            os.write(2, f"<4>{line}\n".encode(errors="backslashreplace"))
        except OSError:  # nothing reads the output: still carry out the other wills
            continue


if __name__ == "__main__":
    sys.path.append(__file__.removesuffix("/vipd/daemon/cleanup/farewell.py"))
    main()
