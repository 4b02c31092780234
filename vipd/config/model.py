"""The settings of one virtual IP, checked: one field, one setting, with its documentation."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretBytes

MAX_DEADRATIO = 255
"""ucarp takes any 32-bit number; beyond this, nobody would live to see the failover."""

Byte = Annotated[int, Field(ge=0, le=255)]


class Vip(BaseModel):
    """One virtual IP as it is to run. Two are equal when nothing about them differs."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    id: str = Field(min_length=1, description="Name of the file: “001” of vip-001.conf.")
    file: str = Field(description="Path of the file.")
    vhid: int = Field(
        ge=1,
        le=255,
        description="CARP group on the wire. VHID=, else --vhid in OPTIONS, else ID=, else the "
        "number in the file's name; all but VHID= are read as ucarp reads them (010 is 8).",
    )
    interface: str = Field(
        min_length=1, max_length=15, description="BIND_INTERFACE: where the group speaks."
    )
    source: IPv4Address | None = Field(
        description="SOURCE_ADDRESS: this host's own address in advertisements. "
        "Left out: the interface's primary address."
    )
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = Field(
        min_length=1,
        description="VIP_ADDRESS: the floating addresses, separated by blanks, at least one of "
        "them IPv4. Prefix length /32 (/128) unless given.",
    )
    password: SecretBytes = Field(
        min_length=1,
        max_length=20,
        description="PASSFILE (its first line) or PASSWORD: shared by the hosts of the group, "
        "1 to 20 bytes; ucarp takes 19.",
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
    upscript: str | None = Field(
        default=None,
        description="UPSCRIPT, --upscript, or /usr/libexec/ucarp/vip-up: program that runs on "
        "becoming master, with interface, address and xparam.",
    )
    downscript: str | None = Field(
        default=None,
        description="DOWNSCRIPT, --downscript, or /usr/libexec/ucarp/vip-down: its counterpart.",
    )
    xparam: str | None = Field(
        default=None, description="--xparam: one more argument for the scripts."
    )
    manage_address: Literal["auto", "yes", "no"] = Field(
        default="auto",
        description="MANAGE_ADDRESS: whether vipd adds and removes the addresses itself. "
        "auto: unless an UPSCRIPT does.",
    )

    @property
    def manages_address(self) -> bool:
        """Whether vipd adds the addresses itself. Only usable scripts are in `upscript`."""
        if self.manage_address == "auto":
            return self.upscript is None
        return self.manage_address == "yes"
