"""The interface ``io.vipd`` on the control socket: its methods, types and errors.

Imports nothing of the daemon, so that the command line starts fast.
`vipd.daemon.control.server` is what answers. Times: ``at`` and ``since`` are Unix time, all others
seconds from now or ago, or durations in seconds. Text in answers may come from other hosts and
from files: it is printable, and holds no password.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypedDict

from asyncvarlink import TypedVarlinkErrorReply, VarlinkInterface, varlinkmethod

from vipd.api.events import Event, ScriptRun
from vipd.carp.health import Health
from vipd.carp.states import Mode, Reason, State

INTERFACE = "io.vipd"
#: Name of the socket in the runtime directory.
SOCKET = "io.vipd"
#: Seconds for which `Demote` keeps a VIP backup when nobody says otherwise.
DEMOTE_HOLD = 60.0

LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Heard:
    """The master that a backup follows, or else the host that was heard last, ``ago`` seconds ago;
    ``followed``: it counts as the living master. ``demotion``: byte 4 of its advertisements,
    OpenBSD's counter. ``missing``: advertisements overdue now, for a backup."""

    address: str
    advbase: int
    advskew: int
    demotion: int
    ago: float
    followed: bool
    missing: int


SignsWith = Literal["PASSWORD", "PASSWORD_ALSO", "both"]


@dataclass(frozen=True, slots=True)
class Signer:
    """A host that advertised, ``ago`` seconds ago for the last time, and which of the two passwords
    it signs with. A backup does not advertise, so it is not known of one."""

    address: str
    signs_with: SignsWith
    ago: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to correct. ``code`` names its kind, ``id`` the VIP (or ""), ``interface`` the
    interface (or ""). From a file: ``file``, ``line``, ``column`` and ``hint``, the cure; else the
    cure is in ``text``. ``count``: how often it was seen, from ``since`` to ``last`` (Unix time).
    """

    code: str
    severity: Literal["error", "warning"]
    id: str
    interface: str
    text: str
    hint: str
    file: str
    line: int
    column: int
    since: float
    last: float
    count: int


@dataclass(frozen=True, slots=True)
class CheckRuns:
    """The runs of a health check. ``ok``, ``failed`` and ``none``: how many said that; none: exit
    status 75, or the daemon was too late to tell. Of the last one ``last``, its result (null: none
    has ended yet), ``last_said``, how it ended and the last line of its output, ``last_ago`` and
    ``last_seconds``, how long ago it ended and how long it took. ``needed``: how many runs one
    after the other with the other result change what the check says; ``held_left``: it does not
    recover before. ``vips``: how many VIPs share the check."""

    command: list[str]
    user: str
    interval: float
    timeout: float
    fall: int
    rise: int
    ok: int
    failed: int
    none: int
    last: Literal["ok", "failed", "none"] | None
    last_said: str
    last_ago: float | None
    last_seconds: float | None
    needed: int
    held_left: float | None
    vips: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check or tracked thing says about this host. ``name``: that of the reason, like
    check:web. ``well``: null while it says nothing yet. ``since``: when it began to say so (Unix
    time). ``said``: why, of one that is not well; ``ends``, if that is a tracked thing: when it is
    well again. ``check``: its runs, if it is a check."""

    name: str
    well: bool | None
    since: float
    said: str
    ends: str
    check: CheckRuns | None


@dataclass(frozen=True, slots=True)
class VipStatus:
    """One virtual IP as it runs now, and everything its decisions rest on."""

    # What the files say
    id: str
    file: str
    vhid: int
    interface: str
    addresses: list[str]  # with prefix length
    extra_addresses: list[str]  # likewise, with @INTERFACE if it is another
    advbase: int
    advskew: int
    deadratio: int
    preempt: bool
    nomcast: bool
    peers: list[str] | None  # None: multicast, or broadcast
    password_also: bool  # whether there is a second password, PASSWORD_ALSO or PASSFILE_ALSO
    manages_address: bool  # else an UPSCRIPT adds it
    upscript: str | None
    downscript: str | None
    lease: int | None  # None: off
    preempt_delay: int
    listen_first: int
    demote_by: int  # 0: a sick host hands over
    group: str  # GROUP, or ""

    # What it is
    state: State
    mode: Mode  # what it is doing; finer than its state
    reason: Reason  # of the last transition
    since: float  # of the last transition, or of the beginning
    event: int  # number of the last transition's event, 0: none yet
    source: str | None  # where its advertisements come from, IPv4 if the group has it
    source_ipv6: str | None  # the IPv6 one, if the group has IPv6 addresses
    effective_advskew: int  # as advertised; 255 while it bows out
    interval: float  # between two advertisements of ours
    master_down: float  # silence after which we take over
    waiting_for: str  # why it cannot take part, or ""
    maintenance: bool
    problems: list[Problem]

    # Whether this host is fit to own it
    health: Health
    findings: list[Finding]  # of each check, tracked thing and group, by name
    ails: str  # what makes the others of its group sick, or ""

    # What it hears, and when it acts
    heard: Heard | None
    signers: list[Signer]  # the hosts heard since there are two passwords; else empty
    takeover_in: float | None  # None: not as things are; moves with every advertisement heard
    takeover_reason: Reason | None  # why then
    hold_left: float | None  # not master again before; None: no hold (or maintenance)
    modest_left: float | None  # not preempting before
    mute: bool  # our last advertisement could not be sent
    lease_left: float | None  # None: no lease is held now
    sent: int  # advertisements, since it was started
    received: int  # valid ones of other hosts, since it was started
    missed: int  # that the master should have sent and we did not get, since it was started

    # Scripts
    script_running: Literal["upscript", "downscript"] | None
    script_seconds: float | None  # for how long it runs
    script_last: ScriptRun | None  # the last one that ended
    script_failed: ScriptRun | None  # the last one that failed; None when one succeeded since


class Result(Enum):
    """What a reload did with a VIP."""

    STARTED = "is new"
    STOPPED = "is no longer in the files"
    CHANGED = "changed in place, without a transition"
    RESTARTED = "restarted, because the change is too large to be made in place"
    UNCHANGED = "is as it was"
    KEPT = "keeps its old settings until its files are corrected"
    FAILED = "cannot be started"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reload did with one VIP. ``why``: names of what changed, or what is in the way."""

    id: str
    result: Result
    why: str


@dataclass(frozen=True, slots=True)
class Handover:
    """What became of a VIP that was to hand over: ``before`` and ``after``. ``successor``: the host
    that was heard to have taken over; None: we were not master, or nobody took over."""

    id: str
    before: State
    after: State
    successor: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Maintained:
    """What is in maintenance: the VIPs in ``ids``; and if ``host``, the whole host except those in
    ``excepted``. There need not be a VIP of such an ID."""

    host: bool
    ids: list[str]
    excepted: list[str]


class Vips(TypedDict):
    vips: list[VipStatus]


class Events(TypedDict):
    events: list[Event]


class Reloaded(TypedDict):
    outcomes: list[Outcome]
    problems: list[Problem]


class LevelBefore(TypedDict):
    before: LogLevel


class Daemon(TypedDict):
    """``files``: paths of all files that were read, password files among them, and of those that
    would have been if they were there. ``late_worst``: longest time that the loop was late, and
    ``late_at`` when (Unix time). ``missing_capabilities``: of those that vipd needs. ``group``:
    whose members may use the socket; "" if there is none. ``guard``: what is wrong with the process
    that takes the addresses off when the daemon dies or is frozen; "" if it watches."""

    version: str
    pid: int
    since: float
    config_dir: str
    runtime_dir: str
    state_dir: str
    files: list[str]
    log_level: LogLevel
    group: str
    missing_capabilities: list[str]
    guard: str
    late_worst: float
    late_at: float | None
    connections: int
    maintenance: Maintained


def plain(value: object) -> object:
    """`default` of json.dumps for what is in our answers besides JSON's own types, as asyncvarlink
    writes it; that converts and checks each value by itself, which takes 5 times as long, and mypy
    has checked them."""
    if isinstance(value, Enum):
        return value.name
    names: tuple[str, ...] = type(value).__slots__  # type: ignore[attr-defined]  # a dataclass
    return {name: getattr(value, name) for name in names}


class UnknownVip(TypedVarlinkErrorReply, interface=INTERFACE):
    """No VIP of this ID runs, and none is known of."""

    class Parameters:
        id: str


class NotPermitted(TypedVarlinkErrorReply, interface=INTERFACE):
    """The peer may not do this; ``text`` says what it would have to be."""

    class Parameters:
        text: str


class OutOfRange(TypedVarlinkErrorReply, interface=INTERFACE):
    """A parameter has a value that cannot be used; ``text`` says which could."""

    class Parameters:
        parameter: str
        text: str


class NotKept(TypedVarlinkErrorReply, interface=INTERFACE):
    """Maintenance cannot be written down, so nothing was changed. ``text`` says why."""

    class Parameters:
        text: str


class NotRead(TypedVarlinkErrorReply, interface=INTERFACE):
    """The files could not be read, or not applied. ``text`` says why; it is tried again."""

    class Parameters:
        text: str


class TooSlow(TypedVarlinkErrorReply, interface=INTERFACE):
    """Events came faster than they were read; the last one that was sent had this number. Call
    `Monitor` again with it as ``after``."""

    class Parameters:
        last: int


class Busy(TypedVarlinkErrorReply, interface=INTERFACE):
    """Too many connections, or a message too large. The connection ends with it."""

    class Parameters:
        text: str


class Backend(Protocol):
    """What stands behind the interface for one peer. Raises the errors above."""

    def vips(self, ids: list[str] | None) -> AsyncIterator[list[VipStatus]]: ...

    def monitor(self, ids: list[str] | None, after: int | None) -> AsyncIterator[list[Event]]: ...

    def history(self, ids: list[str] | None, limit: int | None) -> AsyncIterator[list[Event]]: ...

    async def problems(self) -> list[Problem]: ...

    async def describe(self) -> Daemon: ...

    async def reload(self) -> Reloaded: ...

    async def demote(self, ids: list[str] | None, hold: float) -> list[Handover]: ...

    async def maintenance(self, ids: list[str] | None, on: bool) -> list[Handover]: ...

    async def set_log_level(self, level: LogLevel) -> LogLevel: ...


class VipdInterface(VarlinkInterface, name=INTERFACE):
    """vipd keeps floating IP addresses on one of several hosts.

    Reading is for root and the members of the group vipd, changing for those of them who may
    write to the socket (which connecting asks for, too). Where ids can be given, null means all.
    """

    errors = (UnknownVip, NotPermitted, OutOfRange, NotKept, NotRead, TooSlow, Busy)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @varlinkmethod
    async def List(self, *, ids: list[str] | None = None) -> AsyncIterator[Vips]:
        """The VIPs, by ID, some at a time."""
        async for vips in self._backend.vips(ids):
            yield {"vips": vips}

    @varlinkmethod(delay_generator=False)
    async def Monitor(
        self, *, ids: list[str] | None = None, after: int | None = None
    ) -> AsyncIterator[Events]:
        """Events as they happen, some at a time: first those that are still known with a number
        above ``after``, if it is given. The first reply comes at once, if need be without events.
        Events of the daemon as a whole are among them in any case."""
        async for events in self._backend.monitor(ids, after):
            yield {"events": events}

    @varlinkmethod
    async def History(
        self, *, ids: list[str] | None = None, limit: int | None = None
    ) -> AsyncIterator[Events]:
        """What happened, oldest first, some at a time: the last ``limit`` events. Of each VIP,
        the last 64 are known. With ids, only events of these VIPs; the ID "" is the daemon."""
        async for events in self._backend.history(ids, limit):
            yield {"events": events}

    @varlinkmethod(return_parameter="problems")
    async def Problems(self) -> list[Problem]:
        """Everything that is wrong now, as far as the daemon knows."""
        return await self._backend.problems()

    @varlinkmethod
    async def Describe(self) -> Daemon:
        """The daemon itself."""
        return await self._backend.describe()

    @varlinkmethod
    async def Reload(self) -> Reloaded:
        """Read the files, make what runs what they say, and tell what that was for each VIP."""
        return await self._backend.reload()

    @varlinkmethod(return_parameter="handovers")
    async def Demote(
        self, *, ids: list[str] | None = None, hold: float = DEMOTE_HOLD
    ) -> list[Handover]:
        """Hand over now, answering until the successor is heard (2 s at most), and stay backup for
        ``hold`` seconds (0 to 86400). Replies when that is done."""
        return await self._backend.demote(ids, hold)

    @varlinkmethod(return_parameter="handovers")
    async def Maintenance(self, *, on: bool, ids: list[str] | None = None) -> list[Handover]:
        """Hand over and stay backup until switched off, across restarts and reboots; or end that,
        and any hold. ids null: the whole host, VIPs that are added later included. What is in
        maintenance can be taken out whether it runs or not."""
        return await self._backend.maintenance(ids, on)

    @varlinkmethod
    async def SetLogLevel(self, *, level: LogLevel) -> LevelBefore:
        """Log this level and what is graver, until the next start or change."""
        return {"before": await self._backend.set_log_level(level)}
