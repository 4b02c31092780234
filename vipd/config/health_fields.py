"""The settings of one virtual IP that say when its host is fit to own the addresses."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from vipd.config.field import Field, Range, settings
from vipd.config.fields import MAX_SECONDS, Seconds, VipFields

MAX_NAME = 64
"""Longest GROUP."""

MAX_LISTEN_FIRST = 60
"""Longest LISTEN_FIRST: a dead master is not noticed for so long."""

MIN_INTERVAL = 0.1
"""Shortest CHECK_INTERVAL and TRACK_DOWN, seconds."""

MAX_RUNS = 100
"""Highest CHECK_FALL and CHECK_RISE."""

FractionalSeconds = Annotated[float, Range(MIN_INTERVAL, MAX_SECONDS)]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this host, and all its groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A program that tells whether this host is fit to own an address. ``name``: in lower case,
    “web” of CHECK_WEB. ``command``: the whole path of the program, and its arguments. Seconds:
    started every ``interval`` (0.1 to 3600); killed, and failed, after ``timeout`` (0: after an
    interval); at least ``hold`` from its failure to its recovery. It fails with ``fall`` failed
    runs one after the other, and recovers with ``rise`` good ones. ``user``: whom it runs as;
    ``account``: None if there is no such user. ``refused``: why it must not run, and has failed;
    ""."""

    name: str
    command: tuple[str, ...]
    interval: float = 2.0
    timeout: float = 0.0
    fall: int = 3
    rise: int = 5
    hold: int = 30
    user: str = "root"
    account: Account | None = None
    refused: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "timeout", self.timeout or self.interval)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A host that has to answer on BIND_INTERFACE. It is asked every ``interval`` seconds (0.1 to
    3600), is gone after ``fall`` questions without an answer one after the other, and back after
    ``rise`` with one; after ``hold`` seconds at least, if it is gone again soon."""

    address: IPv4Address | IPv6Address
    interval: float = 2.0
    fall: int = 3
    rise: int = 5
    hold: int = 30


@settings
class HealthFields(VipFields):
    """All settings as the files have them. What follows from them is in
    `vipd.config.model.VipConfig`."""

    checks: tuple[Check, ...] = Field(
        default=(),
        description="CHECK_<NAME>: a program and its arguments, separated as in a shell (but no "
        "shell runs them): a health check, of which there may be any number. By exit status 0 this "
        "host is fit to own the addresses; 75 says nothing; any other status, a run that lasts too "
        "long and a program that cannot be started say that it is not. While a check has failed, "
        "the host is sick: it hands its addresses to a healthy host, whatever the others' "
        "--preempt, and takes them only when nobody else does. The program must not be open to "
        "changes by others: then it is not run, and has failed. It gets the variables ID, VHID, "
        "ADDRESSES, EXTRA_ADDRESSES, INTERFACE and STATE. Checks with equal arguments, times and "
        "users run once for all VIPs that have them; then it gets those variables that are the "
        "same for all, and STATE is MASTER if one of them is. An empty value takes a check of "
        "vip-common.conf away.",
    )
    track_interface: tuple[str, ...] = Field(
        default=(),
        description="TRACK_INTERFACE: other interfaces that have to work for this host to be fit "
        "to own the addresses, separated by blanks: while one of them is not there, is down or has "
        "no carrier, the host is sick, as with a failed check.",
    )
    track_file: tuple[str, ...] = Field(
        default=(),
        description="TRACK_FILE: whole paths of files, separated by blanks: while one of them is "
        "there, and neither empty nor 0, the host is sick. For deployments: what is written in it "
        "is shown as the reason.",
    )
    track_unit: tuple[str, ...] = Field(
        default=(),
        description="TRACK_UNIT: systemd units (.service may be left out), separated by blanks: "
        "while no process of one of them runs, the host is sick. Services, scopes and slices: "
        "others, and services that end when they have done their work, have no processes. Needs "
        "cgroup v2.",
    )
    track_down: FractionalSeconds = Field(
        default=0.5,
        description="TRACK_DOWN: seconds (0.1 to 3600) for which the trouble of a tracked "
        "interface or unit has to last before the host is sick: for so long a unit may be "
        "restarted.",
    )
    track_up: FractionalSeconds = Field(
        default=10.0,
        description="TRACK_UP: seconds (0.1 to 3600) for which a tracked interface or unit has to "
        "work again, without interruption, before the host is well. One that is in trouble again "
        "within 5 minutes of that stays so for CHECK_HOLD at least, twice as long the next time, "
        "up to 600 s; likewise a gateway.",
    )
    track_gateway: tuple[Gateway, ...] = Field(
        default=(),
        description="TRACK_GATEWAY: addresses of hosts in the network of BIND_INTERFACE, most "
        "likely of its router, separated by blanks: while one of them does not answer ARP requests "
        "(IPv6: neighbour solicitations), the host is sick. They are asked from an own address of "
        "this host every CHECK_INTERVAL; CHECK_FALL and CHECK_RISE count as they do for checks.",
    )
    track_hold: int = Field(
        default=30,
        ge=0,
        le=MAX_SECONDS,
        description="CHECK_HOLD, for what is tracked.",
    )
    preempt_delay: Literal[0] | Seconds = Field(
        default=0,
        description="PREEMPT_DELAY: seconds (1 to 3600) after the start, after the link came up "
        "and after sickness, in which --preempt leaves a living master alone. A silent one is "
        "taken over from as always. 0: no delay.",
    )
    listen_first: int = Field(
        default=0,
        ge=0,
        le=MAX_LISTEN_FIRST,
        description="LISTEN_FIRST: seconds (1 to 60) after the link came up in which silence does "
        "not count yet, for switches and bonds that pass frames, stop, and pass them again. Any "
        "advertisement of another host ends it. 0: silence counts at once.",
    )
    demote_by: Literal["hand-over"] | Annotated[int, Range(1, 240)] = Field(
        default="hand-over",
        description="DEMOTE_BY: what a sick host does. hand-over: it asks for another owner, and "
        "every healthy host takes over, with or without --preempt; 1 to 240: it only adds that to "
        "its advskew (254 at most), so that hosts with --preempt and a lower sum take over.",
    )
    group: str = Field(
        default="",
        max_length=MAX_NAME,
        description="GROUP: a name (letters, digits, - _ and .) that several virtual IPs of this "
        "host have in common because only one host should own all of them, as the two sides of a "
        "router. While one of them is sick, or cannot own (its interface is down, it waits for "
        "something, it cannot send, it failed, its UPSCRIPT failed and UPSCRIPT_FAILURE is demote),"
        " the others are sick: they hand over to a healthy host, and are kept where no host is. "
        "BIND_INTERFACE is tracked as by TRACK_INTERFACE, but its trouble counts at once; TRACK_UP "
        "after it is over all come home together, with --preempt. Use the same order of hosts for "
        "all of them. A hold (vipctl demote, maintenance) of one concerns that one only: see "
        "--group. The members have to run in one vipd, not as services of their own.",
    )
