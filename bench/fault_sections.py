"""What becomes of addresses when a daemon is killed or frozen, and when a partition heals."""

from functools import partial
from statistics import median

from bench import faults
from bench.contestants import CONTESTANTS, Manner
from bench.fault_pair import GAP, NONE, OVERLAP
from bench.faults import Death, named
from bench.figures import Bound, Figure, Samples, Section, figure
from bench.run import Bench

_STEADY, _FAST = Manner(preempt=False), Manner(preempt=False, fast=True)
#: Cycles of a peer that never lets go by itself: each is watched to its end.
_PEERS = 2
_LATE = "vipd's guard did not get a processor in time"
_LAST = (
    "the wills of 255 VIPs are carried out one after the other, and the successor takes over as it "
    "hears each"
)
_OURS = "vipd"
_UNFORCED = Bound(50, "50 ms", _LATE)
_QUICK = Bound(100, "0.1 s", _LATE)
_KERNEL = Bound(900, "0.9 s", "the kernel's leases have whole seconds, and its timers may be late")

_KILL, _FREEZE = "killed", "frozen"
_ONE, _MANY = "1 VIP", "255 VIPs"
_IDLE, _BUSY = "idle", "busy"


def _situation(fault: str, size: str, every: str, load: str) -> str:
    return f"{fault}, {size}, {every}, {load}"


def killed_and_frozen(bench: Bench) -> list[Section]:
    """Daemons that are killed and frozen."""
    samples: Samples = {}
    beside: list[Figure] = []
    alone: list[Figure] = []
    for size, every, load in (
        (_ONE, "1 s", _IDLE),
        (_ONE, "1 s", _BUSY),
        (_MANY, "1 s", _IDLE),
        (_MANY, "1 s", _BUSY),
        (_ONE, "31 ms", _IDLE),
        (_ONE, "31 ms", _BUSY),
    ):
        manner = _FAST if every != "1 s" else _STEADY
        compared = size == _ONE and load == _IDLE
        how = {"many": size == _MANY, "is_busy": load == _BUSY}
        # 255 VIPs take longer to start again, and there are 255 of them in each cycle.
        cycles = bench.cycles if size == _ONE else max(1, bench.cycles // 4)
        for fault, measure in ((_KILL, faults.killed), (_FREEZE, faults.frozen)):
            what = _situation(fault, size, every, load)
            for name, kind in CONTESTANTS.items():
                if name != _OURS and not (compared and (kind.fast or not manner.fast)):
                    continue
                count = cycles if name == _OURS else min(_PEERS, cycles)
                bench.attempt_many(
                    samples, name, what, partial(measure, kind, what, count, manner, **how)
                )
            rows = beside if compared else alone
            rows += _rows(samples, what, fault, size, every)
    return [
        Section(
            "Killed and frozen",
            "Two hosts that do not preempt. The owner's daemon is killed (SIGKILL) or frozen "
            "(SIGSTOP), all of it but vipd's guard; once the other host owns the address alone, it "
            "is started again or goes on, and the other one's turn comes. Two owners and no owner: "
            "by the kernels' account, of the address that it was longest for. Client: pings every "
            f"5 ms. vipd: {bench.cycles} times each. ucarp and keepalived: "
            f"{min(_PEERS, bench.cycles)} times, because they keep the address for as long as "
            f"anybody looks ({faults.WATCHED:g} s); ucarp flaps at 31 ms.",
            tuple(CONTESTANTS),
            tuple(beside),
            picture="owners",
        ),
        Section(
            "Killed and frozen: busy, and 255 VIPs",
            "The same. Busy: twice as many processes as processors count for themselves. 255 VIPs: "
            "a quarter as often, but 255 addresses each time.",
            (_OURS,),
            tuple(alone),
        ),
        *_without_guard(bench),
    ]


def _rows(samples: Samples, what: str, fault: str, size: str, every: str) -> list[Figure]:
    bound = _QUICK if every != "1 s" else _UNFORCED
    none = Bound(50, "50 ms", _LATE) if fault == _KILL else Bound(100, "0.1 s", _LATE)
    if size == _MANY:
        none = Bound(200, "0.2 s", _LAST)
    rows = [
        figure(samples, named(what, OVERLAP), "ms", bound=bound),
        figure(samples, named(what, NONE), "ms", bound=none),
    ]
    if size == _ONE:
        rows.append(figure(samples, named(what, GAP), "ms"))
    return rows


def _without_guard(bench: Bench) -> list[Section]:
    """The guard is killed as well: with and without systemd."""
    samples: Samples = {}
    rows = []
    for death, bound, cycles in (
        (Death.SYSTEMD, Bound(300, "0.3 s", _LATE), bench.cycles),
        (Death.BOTH, _KERNEL, max(1, bench.cycles // 4)),
    ):
        what = f"{death.value}, 1 s"
        measure = partial(faults.killed, CONTESTANTS[_OURS], what, cycles, _STEADY, death=death)
        bench.attempt_many(samples, _OURS, what, measure)
        rows += [
            figure(samples, named(what, OVERLAP), "ms", bound=bound),
            figure(samples, named(what, GAP), "ms"),
        ]
    return [
        Section(
            "Without the guard",
            "The same, with the guard killed before its daemon. Under systemd: `vipd-farewell` is "
            "started when the daemon has ended, as ExecStopPost has it; systemd itself does not "
            "run here (`make test-system` does that). Without: the kernel's lease ends it.",
            (_OURS,),
            tuple(rows),
        )
    ]


def healed(bench: Bench) -> list[Section]:
    """Partitions that heal."""
    samples: Samples = {}
    what = "healed"
    for name, kind in CONTESTANTS.items():
        cycles = bench.cycles if name != "ucarp" else max(1, bench.cycles // 4)
        bench.attempt_many(samples, name, what, partial(faults.healed, kind, what, cycles))
    owners = Bound(500, "half an interval", "the better host had just advertised, and was asleep")
    both = figure(samples, named(what, OVERLAP), "ms", "two owners", owners)
    rows = [both]
    for name, of in (("median", median), ("worst", max)):
        values = {who: (of(runs),) for who, runs in both.values.items() if runs}
        theirs = values.get("keepalived")
        bound = Bound(theirs[0], "no longer than keepalived", "by chance") if theirs else None
        rows.append(Figure(f"two owners, {name}", "ms", values, bound))
    rows.append(figure(samples, named(what, GAP), "ms", "client"))
    return [
        Section(
            "A partition heals",
            "Two hosts that did not hear each other, and so both own the address, hear each other "
            f"again, at any moment between two advertisements; {bench.cycles} times (ucarp a "
            "quarter of that). How long both still own it, by the kernels' account.",
            tuple(CONTESTANTS),
            tuple(rows),
        )
    ]
