"""Faults of the hosts' configuration files."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGHUP

from chaos import bounds, groups
from chaos.groups import Group
from chaos.plan import Fault, Kind
from chaos.record import Condition, Span
from chaos.scene import Act, Players, Scene, Until
from vipd.lab import Host

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


@dataclass(slots=True)
class Hindrance:
    """What a vipd that starts now cannot get past, on a host, for a group or (None) for all.
    ``excuses``: spans that end when it could."""

    host: str
    vhid: int | None
    excuses: list[Span]


class Files:
    """What is in them, and who has yet to read it. ``keys``: in all of them."""

    def __init__(self, scene: Scene, keys: dict[str, str]) -> None:
        self._scene = scene
        self._keys = keys
        self._sources: set[tuple[str, int]] = set()  # whose file names its SOURCE_ADDRESS
        self._more: dict[tuple[str, int], int] = {}  # what edits have added to an advskew
        self._unread: list[Span] = []  # last until a changed file has been read
        self.hindrances: list[Hindrance] = []
        self.away: set[str] = set()  # whose directory or file is about to be put back
        self.players: Players = {
            Kind.RELOAD: self._reload,
            Kind.EDIT: self._edit,
            Kind.BREAK: self._break,
            Kind.REMOVE: self._remove,
            Kind.MOVE: self._move,
            Kind.SWAP: self._swap,
            Kind.BLINK: self._blink,
            Kind.UNREADABLE: self._unreadable,
        }

    def write(self, host: Host, group: Group) -> None:
        where = host.name, group.vhid
        group.write(
            self._scene.directory,
            host.name,
            more=self._more.get(where, 0),
            source=where in self._sources,
            keys=self._keys,
        )

    @contextmanager
    def hindering(self, host: Host, group: Group | None = None) -> Iterator[None]:
        """What a vipd that runs bears, and what one that starts meanwhile cannot get past: that
        one is excused until it could."""
        starting = host.name not in self._scene.listening
        excuses = self._scene.begin(host, Condition.EXCUSED, group=group) if starting else []
        hindrance = Hindrance(host.name, group.vhid if group else None, excuses)
        self.hindrances.append(hindrance)
        yield
        self.until_read(hindrance.excuses)
        self.hindrances = [each for each in self.hindrances if each is not hindrance]

    def until_read(self, spans: Sequence[Span]) -> None:
        """A file has changed: end these when a vipd that runs has read it."""
        for span in spans:
            span.end = time.time() + bounds.RELOADED
        self._unread = [s for s in self._unread if s.end > time.time()] + list(spans)

    def reads_again(self, host: Host, slept: float) -> None:
        """A vipd that did not run from `slept` on begins only now to read what has changed."""
        for span in self._unread:
            if span.host == host.name and span.end > slept:
                span.end = time.time() + bounds.RELOADED

    # The faults

    def _reload(self, fault: Fault, host: Host) -> Act:
        if host.name in self._scene.listening:
            self._scene.tell(fault, f"{host.name} SIGHUP")
            self._scene.vipd[host.name].signal(SIGHUP)
        yield from ()

    def _edit(self, fault: Fault, host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        self._more[host.name, group.vhid] = more = fault.dice % (groups.WITHIN + 1)
        self._scene.tell(fault, f"{host.name} {group.name} advskew +{more}", group)
        self.write(host, group)
        yield from ()

    def _break(self, fault: Fault, host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        with (
            self._scene.told(fault, f"{host.name} {group.name} file broken", "mended", group),
            self.hindering(host, group),
        ):
            file = group.file(self._scene.directory, host.name)
            whole = file.read_text()
            file.write_text(whole[: fault.dice % len(whole)] + "\nOPTIONS=`date`\n")
            yield Until.END
            self.write(host, group)

    def _remove(self, fault: Fault, host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        with self._scene.told(fault, f"{host.name} {group.name} file removed", "restored", group):
            spans = self._scene.begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
            with self.hindering(host, group):
                group.file(self._scene.directory, host.name).unlink()
                yield Until.END
                self.write(host, group)
            self.until_read(spans)

    def _move(self, fault: Fault, host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        self._scene.tell(fault, f"{host.name} {group.name} SOURCE_ADDRESS set or not", group)
        self._sources ^= {(host.name, group.vhid)}
        spans = self._scene.begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
        self.write(host, group)
        self.until_read(spans)
        yield from ()

    def _swap(self, fault: Fault, host: Host) -> Act:
        """The whole directory is moved away and back, as by somebody who replaces it by another;
        meanwhile there may be a file in its place."""
        there = ("empty", "file")[fault.dice % 2]
        with self._scene.told(fault, f"{host.name} directory away, {there}", "directory back"):
            directory = str(self._scene.directory / host.name)
            yield from self._absent(fault, host, None, [_AWAY, directory, there])

    def _blink(self, fault: Fault, host: Host) -> Act:
        """One file is moved away and back, or removed and written once more."""
        group = self._scene.groups[fault.vhid]
        script = (_AWAY, _REMOVED)[fault.dice % 2]
        with self._scene.told(fault, f"{host.name} {group.name} file away", "file back", group):
            file = str(group.file(self._scene.directory, host.name))
            yield from self._absent(fault, host, group, [script, file, "empty"])

    def _absent(self, fault: Fault, host: Host, group: Group | None, what: list[str]) -> Act:
        """Something is away for as long as the fault lasts: too short a time to mean anything. If
        this machine was too slow to put it back in time, it has become a removal."""
        script, *words = what
        self.away.add(host.name)
        began = time.time()
        with self.hindering(host, group):
            seconds = f"{fault.end - fault.begin:.3f}"
            # On this machine: the host may lose its power.
            mover = subprocess.Popen(
                ["sh", "-ec", script, "away", seconds, *words], stdout=subprocess.PIPE, text=True
            )
            while mover.poll() is None:
                yield Until.SOON
        self.away.discard(host.name)
        told, _ = mover.communicate()
        assert mover.returncode == 0, told
        away, back = map(float, told.split())
        if back - away > bounds.AWAY:
            self._scene.record.tell(back, f"{host.name}: it was away for {back - away:.3f} s")
            conditions = (Condition.EXCUSED, Condition.LEAVING)
            vhid = group.vhid if group else None
            self.until_read(self._scene.record.begin(began, host.name, *conditions, vhid=vhid))

    def _unreadable(self, fault: Fault, host: Host) -> Act:
        """Root may read what nobody may, but not what leads in a circle."""
        group = self._scene.groups[fault.vhid] if fault.dice % 3 else None
        directory = self._scene.directory / host.name
        place = group.file(self._scene.directory, host.name) if group else directory
        aside = self._scene.directory / f"{host.name}.aside"
        name = group.name if group else "directory"
        with (
            self._scene.told(fault, f"{host.name} {name} unreadable", "readable", group),
            self.hindering(host, group),
        ):
            place.rename(aside)
            place.symlink_to(place.name)
            yield Until.END
            place.unlink()
            aside.rename(place)
