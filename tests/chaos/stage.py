"""The hosts, and what each kind of fault does to them and leaves in the record."""

import json
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGUSR2
from typing import Any

from helpers import forging, users
from helpers.configured import PASSWORD

from chaos import barrage, bounds, frames, groups
from chaos.groups import ELSEWHERE, GROUPS, HERE, HOSTS, HOSTS_IPV6, Group
from chaos.plan import FILES, Fault, Kind
from chaos.record import Condition, Record, Span
from chaos.samples import Samples
from vipd.lab import Host, Lab, Process

#: What a busy machine may add to the start and the end of a process, seconds.
_PATIENCE = 30.0
#: What a VIP says first: that it listens, or what it lacks on this host; another process is no
#: reason to wait, because there is none but a user's.
_LISTENING = re.compile(r"Switching to state: BACKUP|waiting: (?!.*\(process )")
_WAITS = re.compile(r"waiting: .*\(process ")
_FORGER = "198.51.100.66"
#: Where a second vipd has its sockets and its state.
_SECOND = "/run/second"
#: Frames a second in a burst of forged ones, from and to; and of ARP. Seconds that it lasts.
_RATES, _ARP_RATES, _BURST = (5_000, 20_000), (4_000, 10_000), (0.2, 1.0)
#: Something is not where it belongs for $1 seconds; says for how long it was.
_AWAY = """
mv "$2" "$2.away"; begin=$(date +%s.%N)
[ "$3" = empty ] || echo nothing >"$2"
sleep "$1"
rm -f "$2"; mv "$2.away" "$2"; echo "$begin $(date +%s.%N)"
"""
#: The same for a file that is removed, and written once more.
_REMOVED = """
text=$(cat "$2"); begin=$(date +%s.%N); rm "$2"
sleep "$1"
printf '%s\n' "$text" >"$2"; echo "$begin $(date +%s.%N)"
"""


class Until(Enum):
    """When an act is to be resumed."""

    END = "at the end that its fault has in the plan"
    SOON = "in a moment: it waits for something"


#: A fault that goes on, and says when it wants to be resumed.
Act = Iterator[Until]


@dataclass(slots=True)
class _Hindrance:
    """What a vipd that starts now cannot get past, on a host, for a group or (None) for all.
    ``excuses``: spans that end when it could."""

    host: str
    vhid: int | None
    excuses: list[Span]


class BrokenError(AssertionError):
    """Something that has to hold does not."""


class Stage:
    """Three hosts with vipd, and a stranger on the same network. ``record`` may be replaced."""

    def __init__(self, lab: Lab, directory: Path, keys: dict[str, str] | None = None) -> None:
        self.lab = lab
        self.record = Record()
        self.samples = Samples()
        self.processes: list[Process] = []  # all there ever were
        self._directory = directory
        self._keys = keys or {}
        self._groups = {group.vhid: group for group in GROUPS}
        self._hosts = {
            name: self._cabled(name, f"{address}/24", f"{HOSTS_IPV6[name]}/64")
            for name, address in HOSTS.items()
        }
        self._forger = self._cabled("forger", f"{_FORGER}/24")
        self._vipd: dict[str, Process] = {}  # those that run, frozen ones included
        self._listening: set[str] = set()
        self._frozen: set[str] = set()
        self._sources: set[tuple[str, int]] = set()  # whose file names its SOURCE_ADDRESS
        self._more: dict[tuple[str, int], int] = {}  # what edits have added to an advskew
        self._unread: list[Span] = []  # last until a changed file has been read
        self._hindrances: list[_Hindrance] = []
        self._looked: dict[Process, int] = {}  # how far their logs have been looked at
        self._seconds: list[Process] = []  # those that somebody started beside the first
        self._away: set[str] = set()  # whose directory or file is about to be put back
        self._promotes = dict.fromkeys(HOSTS, False)
        self._bursts = {
            Kind.BURST: (directory / "advertisements", _RATES),
            Kind.FLOOD: (directory / "claims", _ARP_RATES),
        }
        self._faults: dict[Kind, Callable[[Fault, Host], Act]] = {
            Kind.FREEZE: self._freeze,
            Kind.KILL: self._kill,
            Kind.STOP: self._stop,
            Kind.CRASH: self._crash,
            Kind.CUT: self._cut,
            Kind.PARTITION: self._partition,
            Kind.RELOAD: self._reload,
            Kind.EDIT: self._edit,
            Kind.BREAK: self._break,
            Kind.REMOVE: self._remove,
            Kind.MOVE: self._move,
            Kind.SWAP: self._swap,
            Kind.BLINK: self._blink,
            Kind.UNREADABLE: self._unreadable,
            Kind.SCRIPTS: self._scripts,
            Kind.MAINTENANCE: self._maintenance,
            Kind.STEP_DOWN: self._step_down,
            Kind.DELETE: self._delete,
            Kind.FLUSH: self._flush,
            Kind.RENUMBER: self._renumber,
            Kind.PROMOTE: self._promote,
            Kind.ARP: self._arp,
            Kind.FORGED: self._forged,
            Kind.BURST: self._burst,
            Kind.FLOOD: self._burst,
            Kind.LOOP: self._loop,
            Kind.RIVAL: self._rival,
            Kind.DESCRIPTORS: self._descriptors,
        }

    def _cabled(self, name: str, *own: str) -> Host:
        return self.lab.host(
            name,
            interfaces={HERE: own, ELSEWHERE: ()},
            bridge={ELSEWHERE: ELSEWHERE},
        )

    def open(self) -> list[Act]:
        """Write the files and start everything; what is resumed until all listen."""
        groups.write_scripts(self._directory)
        for kind, make in ((Kind.BURST, frames.advertisements), (Kind.FLOOD, frames.claims)):
            file, _ = self._bursts[kind]
            file.write_text("\n".join(frame.hex() for frame in make(1)))
        for host in self._hosts.values():
            self._directory.joinpath(host.name).mkdir()
            for group in GROUPS:
                self._write(host, group)
            groups.write_crowd(self._directory, host.name)
            self._prepare(host)
        return [self._start(host) for host in self._hosts.values()]

    def _prepare(self, host: Host) -> None:
        """What a host has besides vipd from its start on: a user who pretends to run ucarps."""
        self._set_promotes(host)
        own = f"{HOSTS[host.name]}/24 dev eth1"
        # The events begin after the host has got its address: let them tell of it.
        done = host.run(["ip", "-batch", "-"], text=f"addr del {own}\naddr add {own}\n")
        assert done.returncode == 0, done.stderr
        users.named_ucarps(host, [group.vhid for group in GROUPS]).wait_for("here")
        self.samples.follow(host)

    def act(self, fault: Fault) -> Act:
        """What happens; nothing before it is first resumed."""
        while fault.kind in FILES and fault.host in self._away:
            yield Until.SOON
        yield from self._faults[fault.kind](fault, self._hosts[fault.host])

    def look_at_logs(self) -> None:
        """See that nothing went wrong inside of a vipd; forget those that have ended."""
        for name in self._listening:
            if not self._vipd[name].alive:
                raise BrokenError(f"vipd on {name} has ended by itself{self._vipd[name].tail()}")
        for process in self.processes:
            begin, self._looked[process] = self._looked.get(process, 0), process.mark()
            for line in process.log(begin).splitlines():
                if not line.startswith("{") or "starts again in" in line or "traceback" in line:
                    raise BrokenError(f"{process!r} says: {line}{process.tail()}")
                if _WAITS.search(line) and process not in self._seconds:
                    raise BrokenError(f"{process!r} gives way to a user: {line}")
        self.processes = [process for process in self.processes if process.alive]

    def said(self, since: float) -> Iterator[tuple[Process, dict[str, Any]]]:
        """All lines of all vipds since a time, as objects."""
        for process in self.processes:
            for text in process.log().splitlines():
                line = json.loads(text) if text.startswith("{") else {}
                if line and datetime.fromisoformat(line["time"]).timestamp() >= since:
                    yield process, line

    def owners(self, address: str) -> list[str]:
        """Who has an address now, by the last event."""
        return [
            host.name
            for host in self._hosts.values()
            if (changes := host.history.changes(address)) and changes[-1].added
        ]

    # The process

    def _freeze(self, fault: Fault, host: Host) -> Act:
        vipd = self._vipd.get(host.name)
        if vipd is None:
            return
        frozen = time.time()
        with (
            self._told(fault, f"{host.name} frozen", "thawed"),
            self._while(host, Condition.EXCUSED, Condition.IMPAIRED),
        ):
            self._frozen.add(host.name)
            vipd.freeze()
            yield Until.END
            vipd.thaw()
            self._frozen.discard(host.name)
        self._reads_again(host, frozen)

    def _kill(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._vipd:
            return
        with self._while(host, Condition.EXCUSED, Condition.IMPAIRED):
            with self._told(fault, f"{host.name} killed", "starts vipd"):
                self._gone(host).kill()
                yield Until.END
            yield from self._start(host)

    def _stop(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._listening:  # it would not know the signal yet
            return
        with self._while(host, Condition.EXCUSED, Condition.LEAVING):
            with self._told(fault, f"{host.name} stopped", "starts vipd"):
                vipd = self._gone(host)
                vipd.signal(SIGTERM)
                asked = time.time()
                yield Until.END
                while vipd.alive:
                    if time.time() > asked + bounds.STOPPED + _PATIENCE:
                        raise BrokenError(f"{vipd!r} does not end{vipd.tail()}")
                    yield Until.SOON
            if status := vipd.wait():
                raise BrokenError(f"{vipd!r} ended with status {status}{vipd.tail()}")
            yield from self._start(host)

    def _crash(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._vipd:
            return
        with self._while(host, Condition.EXCUSED):
            with (
                self._told(fault, f"{host.name} without power", "boots"),
                self._while(host, Condition.APART, Condition.ADDRESSLESS),
            ):
                self._gone(host)
                host.crash()
                self.samples.lost_everything(host)
                yield Until.END
                host.boot()
                self._prepare(host)
            yield from self._start(host)

    def _start(self, host: Host) -> Act:
        began = time.time()
        for hindrance in self._hindrances:
            if hindrance.host == host.name:
                hindrance.excuses += self.record.begin(
                    began, host.name, Condition.EXCUSED, vhid=hindrance.vhid
                )
        vipd = host.vipd(self._directory / host.name, "--log-format", "json")
        self._vipd[host.name] = vipd
        self.processes.append(vipd)
        with self._while(host, Condition.EXCUSED):
            while not self._all_listen(host, vipd):
                if self._vipd.get(host.name) is not vipd:
                    return  # killed before it could
                if not vipd.alive or time.time() > began + _PATIENCE:
                    raise BrokenError(f"{vipd!r} does not listen{vipd.tail()}")
                yield Until.SOON
        self._listening.add(host.name)
        self._reads_again(host, began)
        self.record.tell(time.time(), f"{host.name} listens")

    def _all_listen(self, host: Host, vipd: Process) -> bool:
        """Whether every VIP of a host listens, or waits for its interface; but for those whose
        files it cannot read now."""
        hindered = {h.vhid for h in self._hindrances if h.host == host.name}
        if None in hindered:
            hindered |= {group.vhid for group in GROUPS}
        lines = [line for line in vipd.log().splitlines() if _LISTENING.search(line)]
        there = {json.loads(line).get("id") for line in lines}
        wanted = {group.name for group in GROUPS if group.vhid not in hindered}
        return wanted <= there and "files read" in vipd.log()

    def _gone(self, host: Host) -> Process:
        """The vipd of a host, which is not to be counted on any more."""
        self._listening.discard(host.name)
        return self._vipd.pop(host.name)

    # The cable

    @staticmethod
    def _cables(fault: Fault) -> tuple[str | None, str]:
        """All of a host, or that of the groups alone; and what to call it."""
        return (HERE, f"cable of {HERE}") if fault.dice % 2 else (None, "all cables")

    def _cut(self, fault: Fault, host: Host) -> Act:
        interface, cable = self._cables(fault)
        with (
            self._told(fault, f"{host.name} {cable} cut", f"{cable} joined"),
            self._while(host, Condition.EXCUSED, Condition.APART, Condition.NO_CARRIER),
        ):
            host.cut(interface)
            yield Until.END
            host.join(interface)

    def _partition(self, fault: Fault, host: Host) -> Act:
        interface, cable = self._cables(fault)
        with (
            self._told(fault, f"{host.name} apart, {cable}", "back"),
            self._while(host, Condition.APART),
        ):
            host.isolate(interface)
            yield Until.END
            host.rejoin(interface)

    # The files

    def _reload(self, fault: Fault, host: Host) -> Act:
        if host.name in self._listening:
            self._tell(fault, f"{host.name} SIGHUP")
            self._vipd[host.name].signal(SIGHUP)
        yield from ()

    def _edit(self, fault: Fault, host: Host) -> Act:
        group = self._groups[fault.vhid]
        self._more[host.name, group.vhid] = more = fault.dice % (groups.WITHIN + 1)
        self._tell(fault, f"{host.name} {group.name} advskew +{more}", group)
        self._write(host, group)
        yield from ()

    def _break(self, fault: Fault, host: Host) -> Act:
        group = self._groups[fault.vhid]
        with (
            self._told(fault, f"{host.name} {group.name} file broken", "mended", group),
            self._hindering(host, group),
        ):
            file = group.file(self._directory, host.name)
            whole = file.read_text()
            file.write_text(whole[: fault.dice % len(whole)] + "\nOPTIONS=`date`\n")
            yield Until.END
            self._write(host, group)

    def _remove(self, fault: Fault, host: Host) -> Act:
        group = self._groups[fault.vhid]
        with self._told(fault, f"{host.name} {group.name} file removed", "restored", group):
            spans = self._begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
            with self._hindering(host, group):
                group.file(self._directory, host.name).unlink()
                yield Until.END
                self._write(host, group)
            self._until_read(spans)

    def _move(self, fault: Fault, host: Host) -> Act:
        group = self._groups[fault.vhid]
        self._tell(fault, f"{host.name} {group.name} SOURCE_ADDRESS set or not", group)
        self._sources ^= {(host.name, group.vhid)}
        spans = self._begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
        self._write(host, group)
        self._until_read(spans)
        yield from ()

    def _swap(self, fault: Fault, host: Host) -> Act:
        """The whole directory is moved away and back, as by somebody who replaces it by another;
        meanwhile there may be a file in its place."""
        there = ("empty", "file")[fault.dice % 2]
        with self._told(fault, f"{host.name} directory away, {there}", "directory back"):
            directory = str(self._directory / host.name)
            yield from self._absent(fault, host, None, [_AWAY, directory, there])

    def _blink(self, fault: Fault, host: Host) -> Act:
        """One file is moved away and back, or removed and written once more."""
        group = self._groups[fault.vhid]
        script = (_AWAY, _REMOVED)[fault.dice % 2]
        with self._told(fault, f"{host.name} {group.name} file away", "file back", group):
            file = str(group.file(self._directory, host.name))
            yield from self._absent(fault, host, group, [script, file, "empty"])

    def _absent(self, fault: Fault, host: Host, group: Group | None, what: list[str]) -> Act:
        """Something is away for as long as the fault lasts: too short a time to mean anything. If
        this machine was too slow to put it back in time, it has become a removal."""
        script, *words = what
        self._away.add(host.name)
        began = time.time()
        with self._hindering(host, group):
            seconds = f"{fault.end - fault.begin:.3f}"
            # On this machine: the host may lose its power.
            mover = subprocess.Popen(
                ["sh", "-ec", script, "away", seconds, *words], stdout=subprocess.PIPE, text=True
            )
            while mover.poll() is None:
                yield Until.SOON
        self._away.discard(host.name)
        told, _ = mover.communicate()
        assert mover.returncode == 0, told
        away, back = map(float, told.split())
        if back - away > bounds.AWAY:
            self.record.tell(back, f"{host.name}: it was away for {back - away:.3f} s")
            conditions = (Condition.EXCUSED, Condition.LEAVING)
            vhid = group.vhid if group else None
            self._until_read(self.record.begin(began, host.name, *conditions, vhid=vhid))

    def _unreadable(self, fault: Fault, host: Host) -> Act:
        """Root may read what nobody may, but not what leads in a circle."""
        group = self._groups[fault.vhid] if fault.dice % 3 else None
        directory = self._directory / host.name
        place = group.file(self._directory, host.name) if group else directory
        aside = self._directory / f"{host.name}.aside"
        name = group.name if group else "directory"
        with (
            self._told(fault, f"{host.name} {name} unreadable", "readable", group),
            self._hindering(host, group),
        ):
            place.rename(aside)
            place.symlink_to(place.name)
            yield Until.END
            place.unlink()
            aside.rename(place)

    @contextmanager
    def _hindering(self, host: Host, group: Group | None = None) -> Iterator[None]:
        """What a vipd that runs bears, and what one that starts meanwhile cannot get past: that
        one is excused until it could."""
        starting = host.name not in self._listening
        excuses = self._begin(host, Condition.EXCUSED, group=group) if starting else []
        hindrance = _Hindrance(host.name, group.vhid if group else None, excuses)
        self._hindrances.append(hindrance)
        yield
        self._until_read(hindrance.excuses)
        self._hindrances = [each for each in self._hindrances if each is not hindrance]

    def _write(self, host: Host, group: Group) -> None:
        where = host.name, group.vhid
        group.write(
            self._directory,
            host.name,
            more=self._more.get(where, 0),
            source=where in self._sources,
            keys=self._keys,
        )

    def _until_read(self, spans: Sequence[Span]) -> None:
        """A file has changed: end these when a vipd that runs has read it."""
        for span in spans:
            span.end = time.time() + bounds.RELOADED
        self._unread = [s for s in self._unread if s.end > time.time()] + list(spans)

    def _reads_again(self, host: Host, slept: float) -> None:
        """A vipd that did not run from `slept` on begins only now to read what has changed."""
        for span in self._unread:
            if span.host == host.name and span.end > slept:
                span.end = time.time() + bounds.RELOADED

    # Scripts, signals, addresses

    def _scripts(self, fault: Fault, host: Host) -> Act:
        if not host.alive:
            return
        mode = ("fail", "hang")[fault.dice % 2]
        with self._told(fault, f"{host.name} scripts {mode}", "scripts work"):
            excused = [
                span
                for group in GROUPS
                if group.scripted
                for span in self._begin(host, Condition.EXCUSED, group=group)
            ]
            with self._while(host, Condition.SCRIPTLESS):
                self._sh(host, f"echo {mode} >{groups.SCRIPT_MODE}")
                yield Until.END
                if host.alive:
                    self._sh(host, f"rm -f {groups.SCRIPT_MODE}")
            for span in excused:
                span.end = time.time() + bounds.SCRIPTLESS_HOLD

    def _maintenance(self, fault: Fault, host: Host) -> Act:
        if not self._hears_orders(host):
            return
        group = self._groups[fault.vhid] if fault.dice % 2 else None
        ids = (group.name,) if group else ()
        with self._told(fault, f"{host.name} maintenance {' '.join(ids)}", "ended", group):
            spans = self._begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
            order = self._vipctl(host, "maintenance", "on", *ids)
            while order.alive:
                yield Until.SOON
            barred = [] if order.wait() else self._begin(host, Condition.BARRED, group=group)
            yield Until.END
            for span in barred:
                span.end = time.time()
            yield from self._end_maintenance(host, ids)
            for span in spans:
                span.end = time.time()

    def _end_maintenance(self, host: Host, ids: tuple[str, ...]) -> Act:
        """Order it again and again: vipd may be dead, frozen, or without the file of this VIP."""
        began = time.time()
        while True:
            if self._hears_orders(host):
                order = self._vipctl(host, "maintenance", "off", *ids)
                while order.alive:
                    yield Until.SOON
                if order.wait() == 0:
                    return
            if time.time() > began + 2 * _PATIENCE:
                raise BrokenError(f"maintenance of {host.name} does not end")
            yield Until.SOON

    def _hears_orders(self, host: Host) -> bool:
        return host.name in self._listening and host.name not in self._frozen

    def _vipctl(self, host: Host, *words: str) -> Process:
        return host.start([sys.executable, "-m", "vipd.cli.main", *words], name="vipctl")

    def _step_down(self, fault: Fault, host: Host) -> Act:
        if self._hears_orders(host):
            self._tell(fault, f"{host.name} SIGUSR2")
            spans = self._begin(host, Condition.EXCUSED, Condition.LEAVING)
            self._vipd[host.name].signal(SIGUSR2)
            for span in spans:
                span.end = time.time() + bounds.HELD
        yield from ()

    def _delete(self, fault: Fault, _host: Host) -> Act:
        group = self._groups[fault.vhid]
        place = group.places[fault.dice % len(group.places)]
        for name in self.owners(place.address):
            if self._hosts[name].alive:
                self._tell(fault, f"{name} loses {place.address}", group)
                self._sh(self._hosts[name], f"ip addr del {place} dev {place.interface}")
        yield from ()

    def _flush(self, fault: Fault, host: Host) -> Act:
        if host.alive:
            self._tell(fault, f"{host.name} loses all")
            for interface in (HERE, ELSEWHERE):
                for network in groups.NETWORKS:
                    self._sh(host, f"ip addr flush dev {interface} to {network}")
        yield from ()

    def _renumber(self, fault: Fault, host: Host) -> Act:
        """As a restart of the network does it."""
        if not host.alive:
            return
        own = f"{HOSTS[host.name]}/24 dev {HERE}"
        own_ipv6 = f"{HOSTS_IPV6[host.name]}/64 dev {HERE}"
        both = [f"ip addr {{}} {address}" for address in (own, own_ipv6)]
        away, back = ("; ".join(both).replace("{}", verb) for verb in ("del", "add"))
        with (
            self._told(fault, f"{host.name} loses its own address", "own address back"),
            self._while(host, Condition.ADDRESSLESS),
            self._hindering(host),
        ):
            if fault.dice % 2:
                self._sh(host, f"{away}; {back}")
                return
            self._sh(host, away)
            yield Until.END
            if host.alive:
                self._sh(host, back)

    def _promote(self, fault: Fault, host: Host) -> Act:
        if host.alive:
            self._promotes[host.name] ^= True
            self._tell(fault, f"{host.name} promote_secondaries {self._promotes[host.name]:d}")
            self._set_promotes(host)
        yield from ()

    def _set_promotes(self, host: Host) -> None:
        values = {"all": False, "eth1": self._promotes[host.name]}
        for name, value in values.items():
            self._sh(host, f"echo {value:d} >/proc/sys/net/ipv4/conf/{name}/promote_secondaries")

    def _sh(self, host: Host, command: str) -> None:
        """What may fail: somebody else may have been faster."""
        host.run(["sh", "-c", command])

    # The stranger

    def _arp(self, fault: Fault, _host: Host) -> Act:
        group = self._groups[fault.vhid]
        place = group.places[fault.dice % len(group.places)]
        self._tell(fault, f"a stranger claims {place.address}", group)
        claim, *_ = frames.claim(ip_address(place.address))
        forging.send(self._forger, *[claim] * (1 + fault.dice % 5), interface=place.interface)
        yield from ()

    def _forged(self, fault: Fault, host: Host) -> Act:
        self._tell(fault, f"forged packets in the name of {host.name}")
        dice = random.Random(fault.dice)
        forging.send(self._forger, *(self._nonsense(dice, host) for _ in range(20)))
        yield from ()

    def _nonsense(self, dice: random.Random, host: Host) -> bytes:
        """Something that looks like an advertisement and must be believed by nobody."""
        group = dice.choice(GROUPS)
        if dice.random() < 0.3:
            return dice.choice(frames.advertisements_ipv6(dice, group))
        base, skew = dice.choice(((0, 1), (1, 0), (1, 255), (255, 255)))
        packet = forging.signed(
            source=HOSTS[host.name],
            vhid=group.vhid,
            advbase=base,
            advskew=skew,
            counter=dice.getrandbits(64),
            password=PASSWORD,
            addresses=[place.address for place in group.shared],
        )
        spoilt = dice.choice(
            (
                packet.but(digest=dice.randbytes(20)),
                packet.but(ttl=254),
                packet.but(carp_version=3),
                packet.but(carp_flipped=1),
                packet.but(vhid=group.vhid + 100),
                packet.but(advskew=skew ^ 1, digest=bytes(20)),
            )
        ).build()
        return forging.frame(spoilt[: dice.choice((len(spoilt), dice.randrange(len(spoilt)), 56))])

    def _loop(self, fault: Fault, _host: Host) -> Act:
        with self._told(fault, "loop in the network", "loop gone"):
            mirror = forging.mirror(self._forger)
            yield Until.END
            mirror.kill()

    def _burst(self, fault: Fault, host: Host) -> Act:
        """To all hosts at once, or all of it to one."""
        dice = random.Random(fault.dice)
        file, rates = self._bursts[fault.kind]
        rate, seconds = dice.randint(*rates), dice.uniform(*_BURST)
        alone = host.alive and dice.random() < 0.5
        whom = host.name if alone else "all hosts"
        self._tell(fault, f"{fault.kind.value}: {rate} a second to {whom} for {seconds:.2f} s")
        mac = host.run(["cat", "/sys/class/net/eth1/address"]).stdout.split() if alone else []
        command = [sys.executable, "-I", "-S", barrage.__file__, "eth1", str(file)]
        self._forger.start([*command, str(rate), f"{seconds:.3f}", *mac], name="barrage")
        yield from ()

    # What others on the host do

    def _rival(self, fault: Fault, host: Host) -> Act:
        """Somebody starts vipd a second time, beside the first; and waits with another try until
        that one has ended."""
        if any(second.alive for second in self._seconds if second in host.processes):
            return
        with self._told(fault, f"{host.name}: a second vipd", "the second vipd is stopped"):
            filler = users.fill_queues(host, [group.vhid for group in GROUPS])
            while "full" not in filler.log():
                yield Until.SOON
            own = ("--runtime-dir", _SECOND, "--state-dir", _SECOND, "--log-format", "json")
            second = host.vipd(self._directory / host.name, *own)
            self._seconds.append(second)
            self.processes.append(second)
            began = time.time()
            while not self._waits(second):
                if not second.alive or time.time() > began + _PATIENCE:
                    raise BrokenError(f"{second!r} does not wait for the first{second.tail()}")
                yield Until.SOON
            yield Until.END
            second.signal(SIGTERM)
            while second.alive:
                yield Until.SOON
            filler.kill()

    def _waits(self, second: Process) -> bool:
        lines = [line for line in second.log().splitlines() if _WAITS.search(line)]
        return {group.name for group in GROUPS} <= {json.loads(line).get("id") for line in lines}

    def _descriptors(self, fault: Fault, host: Host) -> Act:
        """All that may be open is open: nothing can be read. And vipd is asked to."""
        vipd = self._vipd.get(host.name)
        if vipd is None:
            return
        with self._told(fault, f"{host.name}: no descriptor left", "descriptors again"):
            before = resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE, (0, before[1]))
            vipd.signal(SIGHUP)
            yield Until.END
            resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE, before)

    # The record

    def _begin(self, host: Host, *conditions: Condition, group: Group | None = None) -> list[Span]:
        vhid = group.vhid if group else None
        return self.record.begin(time.time(), host.name, *conditions, vhid=vhid)

    @contextmanager
    def _while(self, host: Host, *conditions: Condition) -> Iterator[None]:
        """The conditions last as long as the block."""
        spans = self._begin(host, *conditions)
        yield
        for span in spans:
            span.end = time.time()

    def _tell(self, fault: Fault, what: str, group: Group | None = None) -> None:
        self.record.faults[fault.kind.value] += 1
        self.record.tell(time.time(), what, group.vhid if group else None)

    @contextmanager
    def _told(
        self, fault: Fault, begun: str, ended: str, group: Group | None = None
    ) -> Iterator[None]:
        self._tell(fault, begun, group)
        yield
        self.record.tell(time.time(), f"{fault.host}: {ended}", group.vhid if group else None)
