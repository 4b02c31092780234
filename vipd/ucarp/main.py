"""vipd-ucarp: ucarp's command line for one VIP without files, on vipd's engine.

For what starts ucarp by itself: Debian's /etc/network/if-up.d/ucarp, and people's scripts. Options,
messages, exit statuses and signals are those of ucarp 1.5.2; what happens on the network is vipd's:
leases, make before break, an advertisement whatever the script does. Without --upscript
nobody adds the address, as with ucarp.
"""

import asyncio
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from time import monotonic
from typing import Literal, NoReturn

from vipd import __version__
from vipd.config.fields import MAX_DEADRATIO
from vipd.config.model import VipConfig
from vipd.config.numbers import strtoul
from vipd.config.secret import SecretBytes
from vipd.config.trust import Trust
from vipd.daemon.base import tasks
from vipd.daemon.base.children import Children
from vipd.daemon.base.merged import Merged
from vipd.daemon.events.hub import Hub
from vipd.daemon.events.tally import Tally
from vipd.daemon.guard.keeper import Keeper
from vipd.daemon.guard.lines import PLAIN
from vipd.daemon.health.groups import Groups
from vipd.daemon.health.pool import Pool
from vipd.daemon.log.logger import log
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.group_lock import GroupLocks
from vipd.daemon.vips.interface import shared
from vipd.daemon.vips.notifier import Notifier
from vipd.daemon.vips.outbox import Outbox
from vipd.daemon.vips.renewals import Renewals
from vipd.daemon.vips.secondaries import Secondaries
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.supervisor import Supervisor
from vipd.daemon.vips.timers import Timers
from vipd.linux import arguments, capabilities, standard_files
from vipd.linux.links import Links
from vipd.linux.names import canonical, real_name
from vipd.linux.netlink import Netlink
from vipd.ucarp import getopt
from vipd.ucarp.say import Say

USAGE = """\
--interface=<if> (-i <if>): bind interface <if>
--srcip=<ip> (-s <ip>): source (real) IP address of that host
--mcast=<ip> (-m <ip>): multicast group IP address (default 224.0.0.18)
--vhid=<id> (-v <id>): virtual IP identifier (1-255)
--pass=<pass> (-p <pass>): password
--passfile=<file> (-o <file>): read password from file
--preempt (-P): becomes a master as soon as possible
--neutral (-n): don't run downscript at start if backup
--addr=<ip> (-a <ip>): virtual shared IP address
--help (-h): summary of command-line options
--advbase=<seconds> (-b <seconds>): advertisement frequency
--advskew=<skew> (-k <skew>): advertisement skew (0-255)
--upscript=<file> (-u <file>): run <file> to become a master
--downscript=<file> (-d <file>): run <file> to become a backup
--deadratio=<ratio> (-r <ratio>): ratio to consider a host as dead
--debug (-D): enable debug output
--shutdown (-z): call shutdown script at exit
--daemonize (-B): run in background
--ignoreifstate (-S): ignore interface state (down, no carrier)
--nomcast (-M): use broadcast (instead of multicast) advertisements
--facility=<facility> (-f): set syslog facility (default=daemon)
--xparam=<value> (-x): extra parameter to send to up/down scripts

Sample usage:

Manage the 10.1.1.252 shared virtual address on interface eth0, with
1 as a virtual address idenfitier, mypassword as a password, and
10.1.1.1 as a real permanent address for this host.
Call /etc/vip-up.sh when the host becomes a master, and
/etc/vip-down.sh when the virtual IP address has to be disabled.

ucarp --interface=eth0 --srcip=10.1.1.1 --vhid=1 --pass=mypassword \\
      --addr=10.1.1.252 \\
      --upscript=/etc/vip-up.sh --downscript=/etc/vip-down.sh
"""

_LONGEST_PASSWORD = 19
_LONGEST_INTERFACE = 15
#: What ucarp leaves behind: 1 for what is wrong with the options, 2 for what cannot be done.
_BAD_OPTIONS, _CANNOT = 1, 2


@dataclass(slots=True)
class Wanted:
    """What the options say, as ucarp's variables of the same names do."""

    interface: str = ""
    srcip: bytes = bytes(4)
    mcastip: bytes = bytes((224, 0, 0, 18))
    addr: bytes = bytes(4)
    vhid: int = 0
    password: bytes = b""
    advbase: int = 1
    advskew: int = 0
    deadratio: int = 3
    upscript: str | None = None
    downscript: str | None = None
    xparam: str | None = None
    preempt: bool = False
    neutral: bool = False
    shutdown: bool = False
    daemonize: bool = False
    ignoreifstate: bool = False
    nomcast: bool = False
    debug: bool = False


def main() -> None:
    """Entry point of `vipd-ucarp`, and of `ucarp` where it is the alternative."""
    standard_files.fill()
    with suppress(OSError):  # see _hidden
        arguments.show(sys.argv)
    if len(sys.argv) <= 1:
        _usage()
    say = Say()
    say.start()
    wanted = _read(sys.argv[1:], say)
    _complete(wanted)
    if wanted.debug:
        log.setLevel(logging.DEBUG)
    if wanted.daemonize:
        _daemonize()
    asyncio.run(_run(_config(wanted)))


def _usage() -> NoReturn:
    print(f"\nucarp 1.5.2 - vipd {__version__}\n\n{USAGE}\n")
    print("Please report bugs to the vipd project.\n")
    sys.exit(0)


def _fail(status: int, message: str) -> NoReturn:
    log.error("%s", message)
    sys.exit(status)


# The options, each with the words that ucarp has for what is wrong with it


def _read(words: Sequence[str], say: "Say") -> Wanted:
    wanted = Wanted()
    readers: dict[str, Callable[[str], object]] = {
        "srcip": _address,
        "mcastip": _address,
        "addr": _address,
        "vhid": _vhid,
        "pass": _hidden,
        "passfile": _first_line,
        "advbase": lambda text: strtoul(text).value & 0xFF,  # ucarp has a byte for each
        "advskew": lambda text: strtoul(text).value & 0xFF,
        "deadratio": lambda text: strtoul(text).value & 0xFFFFFFFF,
    }
    for given in getopt.read("ucarp", words):
        if given is None or given[0].name == "help":
            _usage()
        option, text = given
        if option.name == "facility":
            say.to(text)
            continue
        say.terminal = say.terminal and option.name != "daemonize"
        value = readers.get(option.name, str)(text) if option.takes_value else True
        setattr(wanted, "password" if option.name.startswith("pass") else option.name, value)
    return wanted


def _address(text: str) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        _fail(_BAD_OPTIONS, f"Invalid address: [{text}]")


def _vhid(text: str) -> int:
    number = strtoul(text).value
    if not 1 <= number <= 255:
        _fail(_BAD_OPTIONS, "vhid must be between 1 and 255.")
    return number


def _hidden(text: str) -> bytes:
    with suppress(OSError):  # without /proc, other users cannot read it either
        arguments.hide(text)
    return os.fsencode(text)


def _first_line(file: str) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError as error:
        _fail(_BAD_OPTIONS, f"unable to open passfile {file} for reading: {error.strerror}")
    try:
        text = os.read(descriptor, 511)
    except OSError as error:
        _fail(_BAD_OPTIONS, f"error reading passfile {file}: {error.strerror}")
    finally:
        os.close(descriptor)
    if not text:
        _fail(_BAD_OPTIONS, f"error reading passfile {file}: unexpected end of file")
    return text.split(b"\n", 1)[0].split(b"\0", 1)[0]


def _complete(wanted: Wanted) -> None:
    """Check the required options, in ucarp's order."""
    if not wanted.interface:
        wanted.interface = _some_interface()
        log.info("Using [%s] as a network interface", wanted.interface)
    for absent, message in (
        (not wanted.vhid, "You must supply a valid virtual host id"),
        (not wanted.password, "You must supply a password"),
        (not wanted.advbase + wanted.advskew, "You must supply an advertisement time base"),
        (not any(wanted.srcip), "You must supply a persistent source address"),
        (not any(wanted.addr), "You must supply a virtual host address"),
    ):
        if absent:
            _fail(_BAD_OPTIONS, message)
    for script, direction in ((wanted.upscript, "up"), (wanted.downscript, "down")):
        if script is None:
            log.warning("Warning: no script called when going %s", direction)
    if not wanted.deadratio:
        _fail(_BAD_OPTIONS, "Dead ratio can't be zero")


def _some_interface() -> str:
    """Approximately pcap_lookupdev: the first interface that is up and no loopback."""
    netlink = Netlink()
    links = Links(netlink)
    named = (links.get(name) for _, name in socket.if_nameindex())
    usable = [link.name for link in named if link and link.running and not link.unsuitable]
    links.close()
    netlink.close()
    if not usable:
        _fail(_BAD_OPTIONS, "You must supply a network interface")
    return usable[0]


def _config(wanted: Wanted) -> VipConfig:
    """The same as a VIP of vipd's; ends the program where ucarp would."""
    if len(wanted.password) > _LONGEST_PASSWORD:
        _fail(_CANNOT, "Password too long")
    try:
        real_name(wanted.interface)
    except OSError:
        too_long = len(os.fsencode(wanted.interface)) > _LONGEST_INTERFACE
        unknown = "Unable to get hardware info about an interface: No such device"
        log.error("%s", "Interface name too long" if too_long else unknown)
        _fail(_CANNOT, f"Unable to find MAC address of [{wanted.interface}]")
    if absent := capabilities.missing():
        _fail(_CANNOT, f"Unable to open interface [{wanted.interface}]: missing {absent[0]}")
    group = IPv4Address(wanted.mcastip)
    if not group.is_multicast and not wanted.nomcast:
        _fail(_CANNOT, "Can't do IP_ADD_MEMBERSHIP errno=Invalid argument (22)")
    manage: Literal["auto", "no"] = "auto" if wanted.upscript else "no"
    if _open_to_all(wanted):
        wanted.upscript = wanted.downscript = None
    return VipConfig(
        id=str(wanted.vhid),
        file="",
        vhid=wanted.vhid,
        interface=wanted.interface,
        source=IPv4Address(wanted.srcip),
        addresses=(IPv4Interface(wanted.addr),),
        password=SecretBytes(wanted.password),
        advbase=wanted.advbase,
        advskew=wanted.advskew,
        deadratio=min(wanted.deadratio, MAX_DEADRATIO),
        preempt=wanted.preempt,
        neutral=wanted.neutral,
        shutdown=wanted.shutdown,
        ignoreifstate=wanted.ignoreifstate,
        nomcast=wanted.nomcast,
        mcast=group,
        upscript=wanted.upscript or None,
        downscript=wanted.downscript or None,
        xparam=wanted.xparam,
        manage_address=manage,
    )


def _open_to_all(wanted: Wanted) -> bool:
    """Report who else may change the scripts, which run as root; whether anybody may, so that they
    must not run."""
    trust = Trust()
    found = False
    for script in filter(None, (wanted.upscript, wanted.downscript)):
        danger = trust.danger(str(Path.cwd() / script))
        if danger is not None:
            found = found or danger.anybody
            then = (
                "no script runs, and vipd has the address itself" if danger.anybody else "it runs"
            )
            log.error("%s runs as root, and %s; %s: %s", script, danger.text, then, danger.cure)
    return found


# Run


def _daemonize() -> None:
    """Daemonize as ucarp does: two forks, a new session, / as directory, no standard streams. The
    caller continues once the options are valid, whatever happens to the daemon."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.close(null)


async def _run(config: VipConfig) -> None:
    loop = asyncio.get_running_loop()
    tasks.catch(loop)
    guard = Keeper(loop, PLAIN)
    guard.start()
    netlink = Netlink()
    links = Links(netlink)
    hub = Hub(log.logger)
    timers, children = Timers(loop), Children(adopts=os.getpid() == 1)
    services = Services(
        netlink=netlink,
        links=links,
        secondaries=Secondaries(netlink),
        leases=Renewals(netlink, loop),
        outbox=Outbox(timers, monotonic),
        timers=timers,
        counter=Counter(None),
        clock=monotonic,  # the loop's, without a call of Python
        hub=hub,
        shared=shared(loop, hub, links.macs),
        group_locks=GroupLocks(loop),
        children=children,
        guard=guard,
        health=Pool({}),
        groups=Groups(loop.time, loop.call_soon),
        notifier=Notifier(children, Tally()),
    )
    supervisor = Supervisor(services, loop)
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        loop.add_signal_handler(number, end.set)
    loop.add_signal_handler(signal.SIGUSR1, Merged(loop, supervisor.log_states))
    loop.add_signal_handler(signal.SIGUSR2, Merged(loop, supervisor.step_down_all))
    link = links.get(canonical(config.interface))
    mac = link.mac.hex(":") if link else ""
    log.info("Local advertised ethernet address is [%s]", mac)
    if link and not link.up:
        name = config.interface
        _fail(_CANNOT, f"Unable to open interface [{name}]: {name}: That device is not up")

    def went_down(index: int) -> None:
        # As ucarp does, whatever -S says: ifup, which sets the interface up again, starts another
        # one with the settings of that time.
        if link and index == link.index:
            log.error("exiting: pfds[0].revents = %d", select.POLLERR)
            end.set()
            for vip in supervisor.vips():  # now: DOWNSCRIPT is for -z
                vip.stop()

    supervisor.interfaces.went_down = went_down
    await supervisor.run(config)
    await end.wait()
    await supervisor.stop()
    guard.close()
    links.close()
    netlink.close()


if __name__ == "__main__":
    main()
