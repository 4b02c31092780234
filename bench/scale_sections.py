"""What a thousand addresses cost, and four thousand; many interfaces; many hosts."""

from functools import partial

from bench import scale
from bench.contestants import CONTESTANTS
from bench.figures import Bound, Figure, Samples, Section, figure
from bench.run import Bench
from bench.scale import Shape

#: A thousand addresses are measured as often as everything, the others once.
_THOUSAND = Shape(250, 4)
_SHAPES = (
    Shape(1),
    Shape(255),
    _THOUSAND,
    Shape(64, 4, ipv4=8, ipv6=8),
    Shape(4, 64),
)
#: ucarp is a process for each address, and each reads the packets of all.
_UCARP_AT_MOST = 255
_ROWS = (
    (scale.MASTER_CPU, "%"),
    (scale.BACKUP_CPU, "%"),
    (scale.PSS, "MB"),
    (scale.START, "ms"),
    (scale.ADDED, "ms"),
    (scale.ANNOUNCED, "ms"),
)
_PYTHON = "Python: every address is a netlink request and every group a frame, made one by one"


def addresses(bench: Bench) -> list[Section]:
    """From one address to four thousand."""
    rows: dict[Shape, Samples] = {}
    for shape in _SHAPES:
        able = {
            name: kind
            for name, kind in CONTESTANTS.items()
            if name != "ucarp" or shape.addresses <= _UCARP_AT_MOST
        }
        bench.attempt_all(
            rows.setdefault(shape, {}),
            str(shape),
            partial(scale.measured, shape=shape, seconds=bench.window / 2),
            able,
            runs=bench.runs if shape is _THOUSAND else 1,
        )
    return [
        Section(
            "From one address to four thousand",
            f"A pair at rest over {bench.window / 2:g} s; then the master loses its power, and "
            "the other host takes over. Start-up: of the backup, until it listens for all. First "
            "address: when the kernel has it. One run each, but for the thousand. ucarp is left "
            f"out above {_UCARP_AT_MOST}: its cost grows with the square.",
            tuple(CONTESTANTS),
            tuple(
                _figure(rows[shape], name, unit, shape) for name, unit in _ROWS for shape in rows
            ),
            picture="sizes",
        ),
        Section(
            "Cost of one more address",
            "From the same runs: CPU of master and backup in a second, by addresses.",
            tuple(CONTESTANTS),
            tuple(
                Figure(
                    f"{name}, {shape}",
                    "µs",
                    {
                        who: tuple(value * 1e4 / shape.addresses for value in values)
                        for who, values in samples.get(name, {}).items()
                    },
                )
                for name in (scale.MASTER_CPU, scale.BACKUP_CPU)
                for shape, samples in rows.items()
            ),
            picture="costs",
        ),
    ]


def _figure(samples: Samples, name: str, unit: str, shape: Shape) -> Figure:
    bound = None
    if shape is _THOUSAND:
        if name in (scale.MASTER_CPU, scale.BACKUP_CPU):
            theirs = figure(samples, name, unit).median("keepalived")
            bound = Bound(theirs, "no more than keepalived's", _PYTHON) if theirs else None
        elif name == scale.ADDED:
            bound = Bound(50, "50 ms", _PYTHON)
        elif name == scale.ANNOUNCED:
            bound = Bound(200, "200 ms", _PYTHON)
    return figure(samples, name, unit, f"{name}, {shape}", bound)


def hosts(bench: Bench) -> list[Section]:
    """Many hosts in one group."""
    samples: Samples = {}
    bench.attempt_all(
        samples, f"{scale.HOSTS} hosts", partial(scale.many_hosts, seconds=bench.window / 2), runs=1
    )
    first, second = (3 + 7 / 256) * 1000, 50.0
    return [
        Section(
            f"{scale.HOSTS} hosts in one group",
            "One address. The master loses its power; the second host, 7/256 s slower than it, has "
            "to take over, and no other. CPU: of all backups together.",
            tuple(CONTESTANTS),
            (
                figure(samples, scale.GAP, "ms", bound=Bound(first + 50, "master-down + 50 ms")),
                figure(samples, scale.OVERLAP, "ms", bound=Bound(second, "50 ms")),
                figure(samples, scale.CROWD_CPU, "%"),
            ),
        )
    ]
