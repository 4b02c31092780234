"""The hosts, and what each kind of fault does to them and leaves in the record."""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGUSR2

from helpers import forging
from helpers.configured import PASSWORD

from chaos import bounds, groups
from chaos.groups import GROUPS, HOSTS, Group
from chaos.plan import Fault, Kind
from chaos.record import Condition, Record, Span
from chaos.samples import Samples
from vipd.lab import Host, Lab, Process
from vipd.linux.announce import announcement

#: What a busy machine may add to the start and the end of a process, seconds.
_PATIENCE = 30.0
_LISTENING = r"Switching to state: BACKUP|waiting: "
_FORGER = "198.51.100.66"


class Until(Enum):
    """When an act is to be resumed."""

    END = "at the end that its fault has in the plan"
    SOON = "in a moment: it waits for something"


#: A fault that goes on, and says when it wants to be resumed.
Act = Iterator[Until]


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
        self._hosts = {name: lab.host(name, f"{address}/24") for name, address in HOSTS.items()}
        self._forger = lab.host("forger", f"{_FORGER}/24")
        self._vipd: dict[str, Process] = {}  # those that run, frozen ones included
        self._listening: set[str] = set()
        self._frozen: set[str] = set()
        self._sources: set[tuple[str, int]] = set()  # whose file names its SOURCE_ADDRESS
        self._more: dict[tuple[str, int], int] = {}  # what edits have added to an advskew
        self._unread: list[Span] = []  # last until a changed file has been read
        self._broken: dict[tuple[str, int], list[Span]] = {}
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
            Kind.SCRIPTS: self._scripts,
            Kind.MAINTENANCE: self._maintenance,
            Kind.STEP_DOWN: self._step_down,
            Kind.DELETE: self._delete,
            Kind.FLUSH: self._flush,
            Kind.ARP: self._arp,
            Kind.FORGED: self._forged,
            Kind.LOOP: self._loop,
        }

    def open(self) -> list[Act]:
        """Write the files and start everything; what is resumed until all listen."""
        groups.write_scripts(self._directory)
        for host in self._hosts.values():
            self._directory.joinpath(host.name).mkdir()
            for group in GROUPS:
                self._write(host, group)
            self.samples.follow(host)
        return [self._start(host) for host in self._hosts.values()]

    def act(self, fault: Fault) -> Act:
        """What happens; nothing before it is first resumed."""
        return self._faults[fault.kind](fault, self._hosts[fault.host])

    def look_at_logs(self) -> None:
        """See that nothing went wrong inside of a vipd; forget those that have ended."""
        for name in self._listening:
            if not self._vipd[name].alive:
                raise BrokenError(f"vipd on {name} has ended by itself{self._vipd[name].tail()}")
        for process in self.processes:
            for line in process.log().splitlines():
                if not line.startswith("{") or "starts again in" in line or "traceback" in line:
                    raise BrokenError(f"{process!r} says: {line}{process.tail()}")
        self.processes = [process for process in self.processes if process.alive]

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
                self._while(host, Condition.APART),
            ):
                self._gone(host)
                host.crash()
                self.samples.lost_everything(host)
                yield Until.END
                host.boot()
                self.samples.follow(host)
            yield from self._start(host)

    def _start(self, host: Host) -> Act:
        began = time.time()
        for (name, vhid), spans in self._broken.items():
            if name == host.name:
                spans += self.record.begin(began, name, Condition.EXCUSED, vhid=vhid)
        vipd = host.vipd(self._directory / host.name, "--log-format", "json")
        self._vipd[host.name] = vipd
        self.processes.append(vipd)
        with self._while(host, Condition.EXCUSED):
            while not re.search(_LISTENING, vipd.log()):
                if self._vipd.get(host.name) is not vipd:
                    return  # killed before it could
                if not vipd.alive or time.time() > began + _PATIENCE:
                    raise BrokenError(f"{vipd!r} does not listen{vipd.tail()}")
                yield Until.SOON
        self._listening.add(host.name)
        self._reads_again(host, began)
        self.record.tell(time.time(), f"{host.name} listens")

    def _gone(self, host: Host) -> Process:
        """The vipd of a host, which is not to be counted on any more."""
        self._listening.discard(host.name)
        return self._vipd.pop(host.name)

    # The cable

    def _cut(self, fault: Fault, host: Host) -> Act:
        with (
            self._told(fault, f"{host.name} cable cut", "cable joined"),
            self._while(host, Condition.EXCUSED, Condition.APART, Condition.NO_CARRIER),
        ):
            host.cut()
            yield Until.END
            host.join()

    def _partition(self, fault: Fault, host: Host) -> Act:
        with self._told(fault, f"{host.name} apart", "back"), self._while(host, Condition.APART):
            host.isolate()
            yield Until.END
            host.rejoin()

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
        with self._told(fault, f"{host.name} {group.name} file broken", "mended", group):
            starting = host.name not in self._listening
            excuses = self._begin(host, Condition.EXCUSED, group=group) if starting else []
            self._broken[host.name, group.vhid] = excuses
            file = group.file(self._directory, host.name)
            whole = file.read_text()
            file.write_text(whole[: fault.dice % len(whole)] + "\nOPTIONS=`date`\n")
            yield Until.END
            self._write(host, group)
            self._until_read(excuses)
            del self._broken[host.name, group.vhid]

    def _remove(self, fault: Fault, host: Host) -> Act:
        group = self._groups[fault.vhid]
        with self._told(fault, f"{host.name} {group.name} file removed", "restored", group):
            spans = self._begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
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

    def _write(self, host: Host, group: Group) -> None:
        where = host.name, group.vhid
        group.write(
            self._directory,
            host.name,
            more=self._more.get(where, 0),
            source=HOSTS[host.name] if where in self._sources else None,
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
        for name in self.owners(group.address):
            if self._hosts[name].alive:
                self._tell(fault, f"{name} loses {group.address}", group)
                self._sh(self._hosts[name], f"ip addr del {group.address}/32 dev eth1")
        yield from ()

    def _flush(self, fault: Fault, host: Host) -> Act:
        if host.alive:
            self._tell(fault, f"{host.name} loses all")
            self._sh(host, f"ip addr flush dev eth1 to {groups.NETWORK}")
        yield from ()

    def _sh(self, host: Host, command: str) -> None:
        """What may fail: somebody else may have been faster."""
        host.run(["sh", "-c", command])

    # The stranger

    def _arp(self, fault: Fault, _host: Host) -> Act:
        group = self._groups[fault.vhid]
        self._tell(fault, f"a stranger claims {group.address}", group)
        claim = announcement(group.ip, forging.FORGER_MAC)
        forging.send(self._forger, *[claim] * (1 + fault.dice % 5))
        yield from ()

    def _forged(self, fault: Fault, host: Host) -> Act:
        self._tell(fault, f"forged packets in the name of {host.name}")
        dice = random.Random(fault.dice)
        forging.send(self._forger, *(self._nonsense(dice, host) for _ in range(20)))
        yield from ()

    def _nonsense(self, dice: random.Random, host: Host) -> bytes:
        """Something that looks like an advertisement and must be believed by nobody."""
        group = dice.choice(GROUPS)
        base, skew = dice.choice(((0, 1), (1, 0), (1, 255), (255, 255)))
        packet = forging.signed(
            source=HOSTS[host.name],
            vhid=group.vhid,
            advbase=base,
            advskew=skew,
            counter=dice.getrandbits(64),
            password=PASSWORD,
            addresses=[group.address],
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
