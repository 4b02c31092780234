"""Two hosts that share an address: vipd on one of them, the distribution's ucarp on the other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.configured import PASSWORD, VIP, WEB01, WEB02, write_vip

from vipd.lab import Host, Lab, Process

#: What vipd may say of a packet that it did not believe.
DISBELIEF = "dropped:"
#: What ucarp says when somebody has another password, VHID or address.
UCARP_DISBELIEF = "Bad digest"
#: Longer than any delay that is right: ucarp sleeps 10 s when its interface is down, and 3 s
#: master-down and a busy machine come on top.
PATIENCE = 60.0
#: Longer than an advertisement takes to be sent, and ucarp's 1 s buffer to give it out: by then
#: two hosts that do not understand each other both own the address.
LASTING = 2.0

#: The options of the host that is not preferred. Far enough behind that both listen when the
#: first decides.
BEHIND = "--advskew=100"


@dataclass(slots=True)
class Pair:
    """`vipd_on` is the name of the host that runs vipd. web01 is the preferred host: it runs with
    advskew 0 unless a test says otherwise."""

    lab: Lab
    directory: Path
    vipd_on: str
    web01: Host = field(init=False)
    web02: Host = field(init=False)
    sources: tuple[str, str] = (WEB01, WEB02)
    vhid: str = "001"
    password: str = PASSWORD
    common: tuple[str, ...] = ()  # options of both hosts
    keys: Mapping[str, str | None] = field(default_factory=dict)  # for vipd's file
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        first, second = self.sources
        self.web01 = self.lab.host("web01", f"{first}/24")
        self.web02 = self.lab.host("web02", f"{second}/24")

    @property
    def vipd_host(self) -> Host:
        return self.web01 if self.vipd_on == "web01" else self.web02

    def start(self, host: Host, *options: str) -> Process:
        """Start the host's daemon with these options; returns when it listens."""
        words = (*self.common, *options)
        if host is self.vipd_host:
            file_keys = {"ID": self.vhid, "PASSWORD": self.password, "OPTIONS": " ".join(words)}
            write_vip(self.directory, **{**file_keys, **self.keys})
            process = host.vipd(self.directory)
        else:
            process = host.ucarp(vhid=self.vhid, address=VIP, password=self.password, options=words)
        self.processes.append(process)
        process.wait_for("Switching to state: BACKUP", timeout=PATIENCE)
        return process

    def start_both(self, *, preempt: bool = False) -> tuple[Process, Process]:
        """web01 becomes master; returns both daemons when that is so and stays so."""
        options = ("--preempt",) if preempt else ()
        daemons = self.start(self.web01, *options), self.start(self.web02, BEHIND, *options)
        self.belongs_to(self.web01)
        return daemons

    def belongs_to(self, host: Host, *, lasting: float = LASTING) -> None:
        """Exactly this host owns the address, and goes on so; and neither doubted the other."""
        self.lab.wait_owner(VIP, host.name, timeout=PATIENCE, stable=lasting)
        for process in self.processes:
            for doubt in (DISBELIEF, UCARP_DISBELIEF):
                assert doubt not in process.log(), process.tail()

    def both_claim_it(self) -> None:
        """Wait until both own the address, as they must in a partition."""
        deadline = time.monotonic() + PATIENCE
        while self.lab.owners(VIP) != ["web01", "web02"]:
            assert time.monotonic() < deadline, self.lab.tails()
            time.sleep(0.05)
