"""The settings of one virtual IP, checked: one field, one setting, with its documentation."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Literal

from vipd.config.field import Field, Model, Range, settings
from vipd.config.secret import SecretBytes

MAX_DEADRATIO = 255
"""ucarp takes any 32-bit number; a larger ratio would delay failover beyond any use."""

MAX_SECONDS = 3600
"""Longest LEASE and SCRIPT_TIMEOUT: an hour in which nobody owns an address is an outage."""

PASSWORD_KEYS: tuple[Literal["PASSWORD"], Literal["PASSWORD_ALSO"]] = "PASSWORD", "PASSWORD_ALSO"
"""What the first and the second password are called, even if they come from files."""

MAX_NAME = 64
"""Longest GROUP."""

MAX_LISTEN_FIRST = 60
"""Longest LISTEN_FIRST: a dead master is not noticed for so long."""

MIN_INTERVAL = 0.1
"""Shortest CHECK_INTERVAL and TRACK_DOWN, seconds."""

MAX_RUNS = 100
"""Highest CHECK_FALL and CHECK_RISE."""

Byte = Annotated[int, Range(0, 255)]
Seconds = Annotated[int, Range(1, MAX_SECONDS)]
FractionalSeconds = Annotated[float, Range(MIN_INTERVAL, MAX_SECONDS)]


@dataclass(frozen=True, slots=True)
class Extra:
    """An address that moves with a VIP. ``interface``: None for BIND_INTERFACE."""

    address: IPv4Interface | IPv6Interface
    interface: str | None = None

    def __str__(self) -> str:
        return f"{self.address}@{self.interface}" if self.interface else str(self.address)


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
class VipFields(Model):
    """The settings as the files have them. What follows from them is in
    `vipd.config.model.VipConfig`."""

    id: str = Field(min_length=1, description="Name of the file: “001” of vip-001.conf.")
    file: str = Field(description="Path of the file.")
    vhid: int = Field(
        ge=1,
        le=255,
        description="VHID, --vhid, ID, VID: the CARP group on the wire, 1 to 255, the same on "
        "every host of the group: the first of these that is there, else the number in the "
        "file's name. All but VHID are read as ucarp reads them (010 is 8).",
    )
    interface: str = Field(
        min_length=1,
        max_length=15,
        description="BIND_INTERFACE, --interface: the interface that gets the addresses, and on "
        "which the hosts of the group hear each other. An altname of it, or a label on it "
        "(eth1:100), will do, too: scripts get it as it is written.",
    )
    source: IPv4Address | None = Field(
        description="SOURCE_ADDRESS, --srcip: this host's own address in advertisements, an IPv4 "
        "address, an IPv6 address, or one of each. "
        "Left out: the interface's primary IPv4 address, and its IPv6 link-local address."
    )
    source_ipv6: IPv6Address | None = Field(
        default=None, description="The IPv6 address of SOURCE_ADDRESS, if it has one."
    )
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = Field(
        min_length=1,
        description="VIP_ADDRESS, --addr: the floating addresses, separated by blanks, "
        "IPv4, IPv6 or both. Prefix length /32 (/128) unless given. Advertisements are sent by the "
        "families that are in there: 224.0.0.18, ff02::12, or both.",
    )
    password: SecretBytes = Field(
        min_length=1,
        max_length=20,
        description="PASSFILE, PASSWORD, --passfile, --pass: what the hosts of the group share (of "
        "a password file, the first line), "
        "1 to 20 bytes; ucarp and the BSDs take 19. There is no group without a password, which is "
        "the BSDs' default: anybody could take its addresses.",
    )
    password_also: SecretBytes | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="PASSWORD_ALSO, PASSFILE_ALSO: a second password, for the time in which the "
        "hosts of the group change theirs: advertisements signed with either are believed, and "
        "each is sent once with each. So one host after the other gets the new password, and no "
        "two own the address meanwhile; docs/passwords.md has the steps. ucarp and the BSDs "
        "ignore the advertisements that are signed with the password they do not have.",
    )
    advbase: Byte = Field(
        default=1, description="--advbase: seconds between advertisements; 0 only without ucarp."
    )
    advskew: Byte = Field(
        default=0, description="--advskew: added to advbase in 1/256 s; the lowest becomes master."
    )
    deadratio: int = Field(
        default=3,
        ge=1,
        le=MAX_DEADRATIO,
        description="--deadratio: silent for this many advbase, a master counts as dead.",
    )
    preempt: bool = Field(
        default=False, description="--preempt: take over from a slower master at once."
    )
    neutral: bool = Field(
        default=False, description="--neutral: do not run DOWNSCRIPT at the start."
    )
    shutdown: bool = Field(default=False, description="--shutdown: run DOWNSCRIPT at the end.")
    ignoreifstate: bool = Field(
        default=False, description="--ignoreifstate: go on while the interface is down."
    )
    nomcast: bool = Field(
        default=False, description="--nomcast: send to the Ethernet broadcast address."
    )
    mcast: IPv4Address = Field(
        default=IPv4Address("224.0.0.18"), description="--mcast: multicast group of advertisements."
    )
    peers: tuple[IPv4Address | IPv6Address, ...] | None = Field(
        default=None,
        description="PEERS: the SOURCE_ADDRESS of every other host of the group, separated by "
        "blanks. Advertisements are sent to these hosts one by one, and to no multicast group; "
        "those of these hosts are heard, and no others. The hosts may be in different networks: "
        "the kernel routes what is sent, and a TTL below 255 is accepted from these hosts. "
        "Advertisements are sent in the families of PEERS, whatever those of VIP_ADDRESS, and "
        "have to arrive at BIND_INTERFACE. Left out: multicast.",
    )
    upscript: str | None = Field(
        default=None,
        description="UPSCRIPT, --upscript: program that runs on becoming master, with interface, "
        "address and xparam. Left out: /usr/libexec/ucarp/vip-up, if that can be executed. It runs "
        "as root: when anybody on the host may change it, or DOWNSCRIPT, neither of them runs.",
    )
    downscript: str | None = Field(
        default=None,
        description="DOWNSCRIPT, --downscript: its counterpart. Left out: "
        "/usr/libexec/ucarp/vip-down, if that can be executed.",
    )
    xparam: str | None = Field(
        default=None, description="--xparam: one more argument for the scripts."
    )
    manage_address: Literal["auto", "yes", "no"] = Field(
        default="auto",
        description="MANAGE_ADDRESS: whether vipd adds and removes the addresses itself. "
        "auto: unless an UPSCRIPT does.",
    )
    lease: Literal["auto", "off"] | Seconds = Field(
        default="auto",
        description="LEASE: seconds (1 to 3600) after which the kernel takes the addresses away "
        "from a vipd that no longer renews them, because it is frozen, killed or starved. "
        "auto: deadratio × advbase, about when a backup takes over; off: never. vipd's guard, a "
        "second process, takes them away on time, and tells the backup; with advbase 0 after "
        "deadratio intervals. If the guard does not run either, the kernel does, up to 0.8 s late. "
        "A second less than auto leaves no time with two owners; but then a vipd that is held up "
        "for a second loses its address.",
    )
    script_timeout: Seconds = Field(
        default=30,
        description="SCRIPT_TIMEOUT: seconds (1 to 3600) after which a script that still runs is "
        "ended, with every process it started.",
    )
    upscript_failure: Literal["ignore", "demote"] = Field(
        default="ignore",
        description="UPSCRIPT_FAILURE: what follows when UPSCRIPT fails or runs too long. "
        "ignore: nothing but a log line, as with ucarp; demote: the address is handed on.",
    )
    guard_script: Literal["yes", "no"] = Field(
        default="yes",
        description="GUARD_SCRIPT: whether vipd's guard runs DOWNSCRIPT when vipd is killed, or "
        "frozen for longer than LEASE, and the addresses have no lease that could end, because "
        "vipd does not know where they are (MANAGE_ADDRESS=no, or an UPSCRIPT that adds them to no "
        "interface of this host). When it succeeds, the next host is told to take over. no: the "
        "addresses stay until vipd runs again.",
    )
    announce_every: Literal[0] | Seconds = Field(
        default=0,
        description="ANNOUNCE_EVERY: seconds (1 to 3600) after which a master announces its "
        "addresses again, by an ARP request and an ARP reply in turn (IPv6: a neighbour "
        "advertisement), for switches and hosts that lost or never believed the first "
        "announcement. 0: only when it becomes master.",
    )
    announce_to: tuple[Literal["gateway"] | IPv4Address | IPv6Address, ...] = Field(
        default=(),
        description="ANNOUNCE_TO: hosts that are told directly as well, by a unicast ARP reply or "
        "neighbour advertisement, because they do not hear or do not believe a broadcast: "
        "addresses, and gateway for the next hops of the default routes through the interface.",
    )
    extra_addresses: tuple[Extra, ...] = Field(
        default=(),
        description="EXTRA_ADDRESSES: more addresses that move with the VIP, separated by blanks, "
        "each with @INTERFACE if it belongs on another interface: 192.0.2.10/24@eth2. vipd adds "
        "and announces them as it does VIP_ADDRESS (an UPSCRIPT gets them in its environment). "
        "Other hosts need not know them: hosts that run ucarp move theirs by their scripts.",
    )
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
    authenticate: Literal["auto", "strict", "off"] = Field(
        default="auto",
        description="AUTHENTICATE: what is done about advertisements that were recorded, altered "
        "and sent again. The counter of a vipd's advertisement tells other vipds when in the order "
        "of its advertisements it was sent, and with which advbase, advskew and demotion. auto: "
        "advertisements that are not as their sender has sent them, and old ones, are dropped and "
        "reported; ucarp, the BSDs and older vipds, which have no such counter, are heard as ever. "
        "strict: those are not heard at all. off: all that have the right password are. It need "
        "not be the same on all hosts; docs/authentication.md has more.",
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
    notify: tuple[str, ...] = Field(
        default=(),
        description="NOTIFY: a program and its arguments, separated as in a shell (but no shell "
        "runs them): it runs for each transition of the VIP, and whenever this host becomes sick "
        "or well again, in order and one at a time. vipd does not wait for it. It gets the "
        "variables ID, VHID, ADDRESSES, EXTRA_ADDRESSES, INTERFACE; EVENT (transition, sick or "
        "well), STATE and OLD_STATE (INIT, BACKUP or MASTER), REASON, HEALTH (well, unknown or "
        "sick), SICK (what has failed, like check:web), PREVIOUS_MASTER, EVENT_AT (Unix time) and "
        "LOST. After SCRIPT_TIMEOUT it is killed; with its end, what it started and left in its "
        "process group is. 32 notifications wait at most: the oldest of more are dropped, and "
        "LOST says how many were, just before this one. It runs as root: when anybody on the host "
        "may change it, it does not run.",
    )
    other_vhid: int | None = Field(
        default=None,
        ge=1,
        le=255,
        description="The group of a host that reads the same number otherwise (010 is 8 and 10), "
        "or that has no VHID=. Not a setting: for telling why two hosts do not hear each other.",
    )
