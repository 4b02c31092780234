"""Health checks beside keepalived's vrrp_script."""

from functools import partial

from bench import sickness
from bench.contestants import CONTESTANTS
from bench.crowd import COUNT
from bench.figures import Bound, Samples, Section, figure
from bench.run import Bench

_OURS, _WEIGHT, _FAULT = "vipd", "keepalived, weight", "keepalived, FAULT"
#: What a failed script takes from a priority of 254; the other host's is 246.
_LOSS = 50


def checks(bench: Bench) -> list[Section]:
    """A check that fails, and twenty that do not."""
    samples: Samples = {}
    cycles = max(1, bench.cycles // 4)
    for who, name, weight in (
        (_OURS, "vipd", 0),
        (_WEIGHT, "keepalived", _LOSS),
        (_FAULT, "keepalived", 0),
    ):
        measure = partial(sickness.moved, CONTESTANTS[name], cycles, weight)
        bench.attempt_many(samples, who, "a check fails", measure)
    moved = Bound(
        1000 + 250 + 100,
        "an interval + 0.35 s",
        "the check has to fail twice, 1 s apart; then the best of the others takes over",
    )
    able = {name: CONTESTANTS[name] for name in ("vipd", "keepalived")}
    load: Samples = {}
    what = f"{sickness.CHECKS} checks, {COUNT} addresses"
    measure_cost = partial(sickness.cost, seconds=bench.window)
    bench.attempt_all(load, what, measure_cost, able, runs=bench.fewer)
    theirs = figure(load, sickness.ALL_CPU, "%").median("keepalived")
    why = "a thread starts each program and waits for it, so that one that hangs does not stop vipd"
    most = None if theirs is None else Bound(theirs, "no more than keepalived's", why)
    return [
        Section(
            "A check fails",
            "The check of the preferred host fails from some moment on; it runs every second, and "
            f"two failed runs in a row count. {cycles} times. keepalived has the same program as a "
            f"`vrrp_script`, with `weight -{_LOSS}`, and without weight, which makes it a FAULT. "
            "ucarp has no checks.",
            (_OURS, _WEIGHT, _FAULT),
            (
                figure(samples, sickness.MOVED, "ms", bound=moved),
                figure(samples, sickness.GAP, "ms", bound=Bound(50, "50 ms")),
            ),
        ),
        Section(
            f"{COUNT} addresses with {sickness.CHECKS} checks",
            f"A master of {COUNT} addresses that all depend on {sickness.CHECKS} programs "
            f"(`/bin/true`), each run every second; over {bench.window:g} s. With the programs: "
            "and with whatever started them.",
            ("vipd", "keepalived"),
            (
                figure(load, sickness.OWN_CPU, "%"),
                figure(load, sickness.ALL_CPU, "%", bound=most),
            ),
        ),
    ]
