"""What `vipctl plan` prints: who owns what, now and after every failure of one and of two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipd.cli.planning.before import Before
from vipd.cli.planning.design import Design
from vipd.cli.planning.orders import IMPOSSIBLE, PROVED, Order, off, outcomes
from vipd.cli.text import Cell, Colour, safe, table

WHEN = ("now", "after any one failure", "after any two failures")
DEAD = Cell("-", Colour.DIM)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The loads of the hosts when some of them are dead, by their numbers. `off`: see
    `orders.off`."""

    dead: Order
    loads: Sequence[int]
    off: int


def outcomes_of(plan: Design, found: Sequence[Order]) -> list[list[Outcome]]:
    """Of the orders that the files amount to: without failure, after any one, after any two; as
    long as anybody is left."""
    hosts = len(plan.hosts)
    return [
        [Outcome(dead, loads, off(plan.task, dead, loads)) for dead, loads in every]
        for failures in range(min(len(WHEN), hosts))
        if (every := list(outcomes(plan.of_units(found), hosts, failures)))
    ]


def lines(
    plan: Design,
    found: Sequence[Order],
    before: Mapping[str, Before],
    colours: bool,
) -> Iterator[str]:
    """The report for people."""
    rows = []
    grouped = any(item.group for item in plan.items)
    for item, order in zip(plan.items, found, strict=True):
        addresses = ", ".join(
            each.removesuffix("/32").removesuffix("/128") for each in item.addresses
        )
        row = [safe(item.id), str(item.vhid), addresses, " ".join(plan.names(order))]
        if grouped:
            row.insert(3, item.group)
        rows.append(row + ([_change(plan, item.id, order, before)] if before else []))
    headings = ["VIP", "VHID", "ADDRESS", *(["GROUP"] if grouped else []), "OWNER, THEN"]
    yield from table(headings + (["BEFORE"] if before else []), rows, colours)
    yield ""
    every = outcomes_of(plan, found)
    loads = [_row(plan, outcome) for each in every for outcome in each]
    yield from table(["WITHOUT", *plan.hosts], loads, colours)
    yield ""
    if grouped:
        yield "The VIPs of a GROUP have one owner, and count as one address:"
    for number, each in enumerate(every):
        yield from _verdict(plan, number, each, bool(before))
    if before:
        yield from _changes(plan, before)


def as_object(plan: Design, found: Sequence[Order], before: Mapping[str, Before]) -> dict[str, Any]:
    """The same for programs."""
    every = outcomes_of(plan, found)
    return {
        "hosts": list(plan.hosts),
        "vips": [
            {
                "id": item.id,
                "vhid": item.vhid,
                "addresses": list(item.addresses),
                "order": plan.names(order),
                "advskew": dict(item.advskew),
                "group": item.group,
            }
            for item, order in zip(plan.items, found, strict=True)
        ],
        "outcomes": [
            {
                "without": plan.names(outcome.dead),
                "addresses": {
                    name: load
                    for host, (name, load) in enumerate(zip(plan.hosts, outcome.loads, strict=True))
                    if host not in outcome.dead
                },
            }
            for each in every
            for outcome in each
        ],
        "even": [not any(outcome.off for outcome in each) for each in every],
        "changed": {name: _changed(plan, name, before) for name in plan.hosts},
    }


def _row(plan: Design, outcome: Outcome) -> list[Cell | str]:
    colour = Colour.WARNING if outcome.off else Colour.PLAIN
    who = " ".join(plan.names(outcome.dead)) or "(all live)"
    return [
        who,
        *(
            DEAD if host in outcome.dead else Cell(str(load), colour)
            for host, load in enumerate(outcome.loads)
        ),
    ]


def _verdict(
    plan: Design, failures: int, outcomes: Sequence[Outcome], started: bool
) -> Iterator[str]:
    """How even it is in the worst case, and why not more."""
    equal = len(set(plan.task.weights)) == 1
    living = [
        load
        for outcome in outcomes
        for host, load in enumerate(outcome.loads)
        if host not in outcome.dead
    ]
    least, most = min(living), max(living)
    when = WHEN[failures]
    many = f"{least} to {most}" if least < most else str(most)
    loads = f"{many} {'address' if many == '1' else 'addresses'} each"
    worst = max(outcome.off for outcome in outcomes)
    if not worst:
        yield f"{when[0].upper()}{when[1:]}: {loads}, " + (
            "no two hosts more than 1 apart." if equal else "every host its share, rounded."
        )
        return
    apart = max(
        max(there) - min(there)
        for outcome in outcomes
        if (there := [load for host, load in enumerate(outcome.loads) if host not in outcome.dead])
    )
    by = f"hosts up to {apart} apart" if equal else f"up to {worst} more or fewer than their share"
    yield f"{when[0].upper()}{when[1:]}: {loads}, {by}: {_reason(plan, failures, started)}."


def _reason(plan: Design, failures: int, started: bool) -> str:
    task = plan.task
    if task.pins:
        return "with these pins nothing better was found"
    if len(set(task.weights)) > 1:
        return "with these weights nothing better was found"
    if failures == 2 and task.addresses in IMPOSSIBLE.get(task.hosts, ()):
        return (
            f"1 is impossible with {task.hosts} hosts and {task.addresses} addresses, whatever "
            "their order"
        )
    if started:
        return "the files that were there leave no more; a plan without --from may be better"
    if task.hosts <= max(IMPOSSIBLE) and task.addresses <= PROVED:
        return "nothing better was found, although there is a better one"
    return "nothing better was found; whether 1 is possible is not known"


def _change(plan: Design, vip_id: str, order: Order, before: Mapping[str, Before]) -> Cell:
    """What the order was, if another."""
    there = {
        name: (vip.advbase, vip.advskew)
        for name, each in before.items()
        if (vip := each.vips.get(vip_id))
    }
    if not there:
        return Cell("(new)", Colour.GOOD)
    was = sorted(there, key=lambda name: there[name])
    now = plan.names(order)
    if was == now:
        return Cell("")
    return Cell(" ".join(map(safe, was)), Colour.WARNING if was[0] != now[0] else Colour.PLAIN)


def _changed(plan: Design, name: str, before: Mapping[str, Before]) -> list[str]:
    """The files of a host that are new, other than before, or gone."""
    old = before[name].files if name in before else {}
    new = plan.files[name]
    return sorted(file for file in old.keys() | new.keys() if old.get(file) != new.get(file))


def _changes(plan: Design, before: Mapping[str, Before]) -> Iterator[str]:
    yield ""
    for name in plan.hosts:
        files = _changed(plan, name, before)
        kind = "new" if name not in before else f"of {len(plan.files[name])}"
        shown = ", ".join(map(safe, files[:8])) + (" …" if len(files) > 8 else "")
        if files:
            number = "1 file changes" if len(files) == 1 else f"{len(files)} files change"
            yield f"{name}: {number} ({kind}): {shown}"
        else:
            yield f"{name}: no file changes"
    for name in before.keys() - set(plan.hosts):
        yield f"{safe(name)}: not in the plan any more"
    ids = {item.id for item in plan.items}
    gone = sorted({vip_id for each in before.values() for vip_id in each.vips} - ids)
    if gone:
        yield f"VIPs that are not in the plan any more: {', '.join(map(safe, gone))}"
