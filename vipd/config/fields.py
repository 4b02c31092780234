"""The settings of one virtual IP, checked: one field, one setting, with its documentation. Those
about its health are in `vipd.config.health_fields`."""

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

Byte = Annotated[int, Range(0, 255)]
Seconds = Annotated[int, Range(1, MAX_SECONDS)]


@dataclass(frozen=True, slots=True)
class Extra:
    """An address that moves with a VIP. ``interface``: None for BIND_INTERFACE."""

    address: IPv4Interface | IPv6Interface
    interface: str | None = None

    def __str__(self) -> str:
        return f"{self.address}@{self.interface}" if self.interface else str(self.address)


@settings
class VipFields(Model):
    """The settings as the files have them."""

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
