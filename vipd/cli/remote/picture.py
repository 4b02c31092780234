"""All hosts in one table, and what is wrong with them, for people and for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vipd.cli.remote.owners import Row, rows, twice
from vipd.cli.remote.passwords import first_can_go, notes, signing
from vipd.cli.remote.states import HostState, VipThere
from vipd.cli.text import STATES, Cell, Colour, counted, paint, safe, span, table

FINE, ATTENTION, OWNERLESS = 0, 1, 2
"""Exit statuses; the last: an address with no owner or two, or a host that cannot be asked."""
UNKNOWN = Cell("?", Colour.BAD)
MOST = 20
"""Lines about what is wrong; `--json` has them all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. `who`: a host, or an address. `serious`: exit status 2, not 1.
    Both texts are safe to print."""

    who: str
    text: str
    serious: bool


class Picture:
    """What the hosts answered, put together."""

    def __init__(self, hosts: Sequence[HostState]) -> None:
        self.hosts = tuple(hosts)
        self.rows = rows(self.hosts)
        self.findings = tuple(self._find())

    @cached_property
    def status(self) -> int:
        """The exit status."""
        if any(each.serious for each in self.findings):
            return OWNERLESS
        return ATTENTION if self.findings else FINE

    def _find(self) -> Iterator[Finding]:
        silent = [host for host in self.hosts if not host.answered]
        for host in silent:
            yield Finding(safe(host.name), safe(host.why), serious=True)
        among = " of those that answered" if silent else ""
        for row in self.rows:
            owners = (*row.owners, *row.others)
            if not owners:
                yield Finding(_addresses(row), f"no host{among} owns it", serious=True)
            elif len(owners) > 1:
                yield Finding(_addresses(row), _several(owners), serious=True)
        for address, owners in twice(self.hosts):
            yield Finding(safe(address), _several(owners), serious=True)
        for host in self.hosts:
            for vip in host.vips:
                for each in vip.attention:
                    yield Finding(safe(host.name), safe(f"{vip.id}: {each}"), serious=False)
            for each in host.problems:
                yield Finding(safe(host.name), safe(each), serious=False)

    # For people

    def lines(self, colours: bool, height: int | None = None) -> list[str]:
        """The whole page. With `height`, so many lines: rows that are fine are left out first."""
        told = [_told(each, colours) for each in self.findings]
        told = _cut(told, MOST if height is None else min(MOST, max(height // 3, 2)))
        out = [self.summary(colours)]
        shown, more = self._choice(None if height is None else height - len(told) - 4)
        if shown:
            out += ["", *self._table(shown, colours)]
        if more:
            out.append(f"… and {more} more")
        if height is None and (changing := notes(self.hosts, self.rows)):
            out += ["", *changing]
        return [*out, "", *told] if told else out

    def summary(self, colours: bool) -> str:
        """One line, for a glance and for Nagios: “OK: 3 hosts, 64 VIPs”."""
        silent = sum(not host.answered for host in self.hosts)
        text = counted(len(self.hosts), "host")
        text += f", {silent} without an answer" if silent else ""
        text += f", {counted(len(self.rows), 'VIP')}"
        if self.status == FINE:
            return f"{paint('OK', Colour.GOOD, colours)}: {text}"
        names = list(dict.fromkeys(each.who for each in self.findings))
        shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        word, colour = ("ATTENTION", Colour.WARNING)
        if self.status == OWNERLESS:
            word, colour = ("CRITICAL", Colour.BAD)
        return f"{paint(word, colour, colours)} ({shown}): {text}"

    def _choice(self, room: int | None) -> tuple[list[Row], int]:
        """The rows that fit, those with something wrong first, and how many do not."""
        if room is None or len(self.rows) <= room:
            return self.rows, 0
        chosen = sorted(self.rows, key=_fine)[: max(room - 1, 1)]
        return [row for row in self.rows if row in chosen], len(self.rows) - len(chosen)

    def _table(self, shown: Sequence[Row], colours: bool) -> list[str]:
        heard = any(row.others for row in shown)
        headings = ["ID", "ADDRESS", *map(safe, _short([host.name for host in self.hosts]))]
        headings += ["OTHER OWNER"] * heard
        lines = []
        for row in shown:
            cells: list[Cell | str] = [safe(row.id), Cell(_addresses(row), _colour(row))]
            cells += map(_cell, self.hosts, row.cells)
            cells += [", ".join(row.others)] * heard
            lines.append(cells)
        return table(headings, lines, colours)

    # For programs

    def as_object(self) -> dict[str, Any]:
        """Everything, with the names in full."""
        return {
            "status": self.status,
            "hosts": [
                {"host": each.name, "answered": each.answered, "why": each.why or None}
                | {"seconds": round(each.seconds, 3)}
                for each in self.hosts
            ],
            "vips": [self._row_object(row) for row in self.rows],
            "problems": [
                {"about": each.who, "text": each.text, "serious": each.serious}
                for each in self.findings
            ],
        }

    def _row_object(self, row: Row) -> dict[str, Any]:
        there = zip(self.hosts, row.cells, strict=True)
        return {
            "id": row.id,
            "addresses": row.addresses,
            "owners": row.owners,
            "other_owners": row.others,
            "states": {
                host.name: vip.state.name if vip else None for host, vip in there if host.answered
            },
            "signs_with": signing(self.hosts, row),
            "first_can_go": first_can_go(self.hosts, row),
            "unknown": [host.name for host in self.hosts if not host.answered],
        }


def _fine(row: Row) -> bool:
    return row.owned_once and not any(vip and vip.attention for vip in row.cells)


def _several(owners: Sequence[str]) -> str:
    number = "two" if len(owners) == 2 else str(len(owners))
    return f"{number} hosts own it: {', '.join(map(safe, owners))}"


def _addresses(row: Row) -> str:
    more = len(row.addresses) - 1
    return row.addresses[0] + (f" +{more}" if more else "")


def _colour(row: Row) -> Colour:
    return Colour.PLAIN if row.owned_once else Colour.BAD


def _cell(host: HostState, vip: VipThere | None) -> Cell:
    """The state of a VIP on a host; “?”: no answer, “–”: that host does not have it."""
    if not host.answered:
        return UNKNOWN
    if vip is None:
        return Cell("–", Colour.DIM)
    words = [vip.state.value]
    if vip.leaving:
        words.append("leaving")
    if vip.maintenance:
        words.append("maintenance")
    elif vip.hold is not None:
        words.append(f"held {span(vip.hold, short=True)}")
    if vip.attention:
        words.append("!")
    return Cell(" ".join(words), Colour.WARNING if vip.attention else STATES[vip.state])


def _told(finding: Finding, colours: bool) -> str:
    mark = paint("!", Colour.BAD if finding.serious else Colour.WARNING, colours)
    return f"{mark} {finding.who}: {finding.text}"


def _cut(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"… and {len(lines) - most + 1} more problems (--json has them)"]


def _short(names: Sequence[str]) -> list[str]:
    """Names without user and domain, if they can still be told apart."""
    hosts = [name.rpartition("@")[2] for name in names]
    short = [_first_label(each) for each in hosts]
    return short if len(set(short)) == len(names) else list(names)


def _first_label(host: str) -> str:
    return host if host[:1].isdigit() or ":" in host else host.partition(".")[0]
