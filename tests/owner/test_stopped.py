"""A host that is stopped between a decision and what follows from it."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from time import time
from types import MappingProxyType

import pytest
from helpers.configured import QUICK, VIP, WEB01, WEB02, write_vip
from helpers.faults import faulty
from helpers.hosts import address_of, until

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

PATIENCE = 60.0
OTHER = "198.51.100.155"

#: While the file is there, the daemon stops when it has decided to advertise, and not sent it yet.
BEFORE_SENDING = """
import os, pathlib, signal

import vipd.daemon.vips.outbox as outbox

file = pathlib.Path({file!r})
flush = outbox.Outbox.flush

def stop(self):
    if self._waiting and file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    flush(self)

outbox.Outbox.flush = stop
"""
#: The same when it has just signed it.
SIGNED = """
import os, pathlib, signal

import vipd.daemon.vips.advertiser as advertiser

file = pathlib.Path({file!r})
made = advertiser.Advertiser._made

def stop(self, *rest):
    out = made(self, *rest)
    if file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    return out

advertiser.Advertiser._made = stop

from vipd.carp.machine import Machine

lapse = Machine.lapse

def look(self, now):
    if self.last_send_failed:
        raise RuntimeError("takes it for a failure to send")
    return lapse(self, now)

Machine.lapse = look
"""
#: The same when it calls a function, {name} of {owner} in {module}.
CALLED = """
import importlib, os, pathlib, signal

owner = getattr(importlib.import_module({module!r}), {owner!r})
file = pathlib.Path({file!r})
whole = getattr(owner, {name!r})

def stop(self, *arguments, **options):
    if file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    return whole(self, *arguments, **options)

setattr(owner, {name!r}, stop)
"""
#: 002 stops when it has decided to take over, in a turn in which 001 has decided to advertise.
DECIDED = """
import os, pathlib, signal

from vipd.carp.effects import Acquire
from vipd.carp.machine import Machine
from vipd.carp.states import Mode
from vipd.daemon.vips.vip import VipRunner

file = pathlib.Path({file!r})
masters = []
rings, tick = VipRunner._tick, Machine.tick

def ring(self, now):
    if self.config.id == "001":
        masters[:] = [self]
    elif file.exists() and self.machine.mode is Mode.BACKUP and self.machine.due <= now:
        masters[0].machine.due = now
        rings(masters[0], now)
    rings(self, now)

def decide(self, now):
    effects = tick(self, now)
    if file.exists() and any(isinstance(effect, Acquire) for effect in effects) and masters:
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    return effects

VipRunner._tick, Machine.tick = ring, decide
"""


def repeat(_web01: Host, _files: Path) -> None:
    """ANNOUNCE_EVERY has it do so soon, and an advertisement every second."""


def stopped(
    lab: Lab,
    directory: Path,
    code: str,
    cause: Callable[[Host, Path], None] = repeat,
    ours: Mapping[str, str] = MappingProxyType({}),
    theirs: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Process, Host, Host]:
    """The daemon of web01 and both hosts, when it has been stopped by ``code`` for so long that
    web02 is master. ``code`` stops it while ``{file}`` is there, when ``cause`` makes it act."""
    web01 = lab.host("web01", f"{WEB01}/24")
    web02 = lab.host("web02", f"{WEB02}/24")
    file = directory / "stop"
    # QUICK would have them take it from each other by chance.
    write_vip(directory / "web01", **ours)
    write_vip(directory / "web02", **theirs)
    env = faulty(directory / "faults", code.replace("{file!r}", repr(str(file))))
    first = web01.vipd(directory / "web01", env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    second = web02.vipd(directory / "web02")
    second.wait_for("Switching to state: BACKUP", timeout=PATIENCE)
    file.touch()
    cause(web01, directory / "web01")
    until(lambda: not file.exists(), first.tail, PATIENCE)
    second.wait_for("Switching to state: MASTER", timeout=PATIENCE)
    until(lambda: address_of(web01, VIP) is None, first.tail, PATIENCE)  # its lease has ended
    return first, web01, web02


def runs_on(first: Process, web01: Host) -> None:
    """It goes on, and is backup."""
    mark = first.mark()
    first.signal(signal.SIGCONT)
    until(lambda: "Switching to state: BACKUP" in first.log(mark), first.tail, PATIENCE)
    assert address_of(web01, VIP) is None


#: To PEERS each advertisement is sent by itself.
@pytest.mark.parametrize(
    ("stops", "peers"),
    [(BEFORE_SENDING, False), (SIGNED, False), (SIGNED, True)],
    ids=["before sending", "signed", "signed for a peer"],
)
def test_what_was_decided_before_a_stop_is_not_said_after_it(
    lab: Lab, tmp_path: Path, stops: str, peers: bool
) -> None:
    """Clients and switches would believe the old master again."""
    ours, theirs = ({"PEERS": WEB02}, {"PEERS": WEB01}) if peers else ({}, {})
    first, web01, web02 = stopped(lab, tmp_path, stops, ours=ours, theirs=theirs)
    dump = web02.capture("proto", "112", "and", "src", WEB01)
    runs_on(first, web01)
    assert WEB01 not in dump.log().partition("listening")[2]
    assert address_of(web02, VIP)


def take_off(web01: Host, _files: Path) -> None:
    web01.must(["ip", "addr", "del", f"{VIP}/32", "dev", "eth1"])


def put_on(web01: Host, _files: Path) -> None:
    web01.must(["ip", "addr", "replace", f"{VIP}/32", "dev", "eth1"])


def another_lease(_web01: Host, files: Path) -> None:
    write_vip(files, LEASE="4")


ACTS = {
    "renews": (repeat, "vipd.daemon.vips.renewals", "Renewals", "_post"),
    "announces": (repeat, "vipd.daemon.vips.vip", "VipRunner", "announce"),
    "puts back": (take_off, "vipd.daemon.vips.address_watch", "AddressWatch", "_put_back"),
    "holds": (put_on, "vipd.daemon.vips.address_watch", "AddressWatch", "_follow_addresses"),
    "changes": (another_lease, "vipd.daemon.vips.vip", "VipRunner", "change"),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_was_stopped_before_it_acted_on_its_addresses_does_not_when_others_own_them(
    lab: Lab, tmp_path: Path, act: str
) -> None:
    cause, module, owner, name = ACTS[act]
    code = CALLED.replace("{module!r}", repr(module)).replace("{owner!r}", repr(owner))
    code = code.replace("{name!r}", repr(name))
    ours = {"ANNOUNCE_EVERY": "1"} if act == "announces" else {}
    first, web01, web02 = stopped(lab, tmp_path, code, cause, ours)
    mac = web01.must(["cat", "/sys/class/net/eth1/address"]).strip()
    said = "ether", "src", mac, "and", "(proto", "112", "or", "arp", "src", "host", f"{VIP})"
    dump = web02.capture(*said)
    began = time()
    runs_on(first, web01)
    changes = [each for each in lab.ownership(VIP).changes if each.time > began]
    assert changes == []
    assert dump.log().partition("listening")[2].count("\n") == 1  # that it listens


def test_a_take_over_that_was_decided_before_a_stop_ends_with_one_owner(
    lab: Lab, tmp_path: Path
) -> None:
    """It was heard of the new master before the take-over was carried out: the machine was BACKUP
    with an address, for ever."""
    web01 = lab.host("web01", f"{WEB01}/24")
    web02 = lab.host("web02", f"{WEB02}/24")
    file = tmp_path / "stop"
    env = faulty(tmp_path / "faults", DECIDED.format(file=str(file)))
    slow = {"VIP_ADDRESS": OTHER, "OPTIONS": f"{QUICK} --advskew=100"}
    write_vip(tmp_path / "web01", OPTIONS=QUICK)
    write_vip(tmp_path / "web02", "002", VIP_ADDRESS=OTHER, OPTIONS=QUICK)
    first = web01.vipd(tmp_path / "web01", env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    file.touch()
    write_vip(tmp_path / "web01", "002", **slow)
    first.signal(signal.SIGHUP)
    until(lambda: not file.exists(), first.tail, PATIENCE)
    second = web02.vipd(tmp_path / "web02")
    second.wait_for("002: Switching to state: MASTER", timeout=PATIENCE)
    mark = first.mark()
    first.signal(signal.SIGCONT)
    until(lambda: "002: Switching to state: BACKUP" in first.log(mark), first.tail, PATIENCE)
    lab.wait_owner(OTHER, "web02", timeout=PATIENCE)
    second.signal(signal.SIGKILL)
    lab.wait_owner(OTHER, "web01", timeout=PATIENCE)
    assert len(first.log(mark).splitlines()) < 100


#: It fails while it looks at its lease, and is stopped before it hands over for that.
BROKEN = """
import os, pathlib, signal

from vipd.daemon.vips.vip import VipRunner

file = pathlib.Path({file!r})
ring, let_go = VipRunner._tick, VipRunner._let_go

def fail(self, now):
    if file.exists():
        self._failed(RuntimeError("by a test"))
    else:
        ring(self, now)

def stop(self):
    if file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    let_go(self)

VipRunner._tick, VipRunner._let_go = fail, stop
"""


def test_who_failed_before_a_stop_does_not_hand_over_after_it(lab: Lab, tmp_path: Path) -> None:
    """A host of another make would take over from the new master."""
    first, web01, web02 = stopped(lab, tmp_path, BROKEN)
    dump = web02.capture("proto", "112", "and", "src", WEB01)
    runs_on(first, web01)
    assert WEB01 not in dump.log().partition("listening")[2]
    assert address_of(web02, VIP)


#: The guard writes that it takes the addresses when the daemon has just let go of them.
TAKEN_LATE = """
import pathlib

from vipd.daemon.guard.keeper import Place

file = pathlib.Path({file!r})
clear = Place.clear

def late(self):
    clear(self)
    if file.exists() and self._leases:
        file.unlink()
        self._leases.take(self._number)

Place.clear = late
"""


def test_a_guard_that_took_what_was_given_up_in_that_moment_does_not_keep_the_vip_from_owning(
    lab: Lab, tmp_path: Path
) -> None:
    """It looked at its lease again and again, and did nothing else, as a backup for ever."""
    web01 = lab.host("web01", f"{WEB01}/24")
    file = tmp_path / "late"
    write_vip(tmp_path / "web01", OPTIONS=QUICK)
    env = faulty(tmp_path / "faults", TAKEN_LATE.format(file=str(file)))
    first = web01.vipd(tmp_path / "web01", env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    file.touch()
    mark = first.mark()
    first.signal(signal.SIGUSR2)  # it steps down for 3 s
    until(lambda: "Switching to state: MASTER" in first.log(mark), first.tail, 20.0)
    assert not file.exists()
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    assert first.log(mark).count("Switching to state: MASTER") == 1
