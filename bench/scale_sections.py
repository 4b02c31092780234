"""What a thousand addresses cost, and four thousand; many interfaces; many hosts."""

from functools import partial

from bench import kernel, scale
from bench.contestants import CONTESTANTS
from bench.figures import Bound, Figure, Samples, Section, figure
from bench.run import Bench
from bench.scale import Shape
from bench.sections import IN_PYTHON

#: One and a thousand are measured as often as everything, the others once.
_KERNEL = "What the kernel needs for an address"
_ONE, _THOUSAND = Shape(1), Shape(250, 4)
_SHAPES = (
    _ONE,
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
_PYTHON = (
    "Python: the kernel needs 20 to 40 µs for each address (see its table). The rest is a "
    "decision, an advertisement and an announcement for each, made one by one"
)


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
            runs=bench.runs if shape in (_ONE, _THOUSAND) else 1,
        )
    return [
        Section(
            "From one address to four thousand",
            f"A pair at rest over {bench.window / 2:g} s; then the master loses its power, and "
            "the other host takes over. Start-up: of the backup, until it listens for all. First "
            "address: when the kernel has it. One run each; of one address and of a thousand, as "
            f"many as of everything else. ucarp is left out above {_UCARP_AT_MOST}: its cost grows "
            "with the square.",
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
        _kernel(bench),
    ]


def _kernel(bench: Bench) -> Section:
    """Where the cost of an address bends, and why."""
    samples: Samples = {}
    bench.attempt_rows(samples, "the kernel's part", kernel.addresses)
    return Section(
        _KERNEL,
        f"The same requests as vipd's, one after the other, on {kernel.INTERFACES} interfaces; "
        "Python's part of it is 1 µs of each (6 µs where an IPv6 address is added). Add and "
        "delete: the mean of all, from none to so many, and each is waited for. Renew (leases, one "
        "a second for each address of a master): all that are there, many with one system call. "
        "The "
        "cost of a renewal bends with the number of IPv6 addresses of the host: for each, the "
        "kernel looks at all of them (addrconf_verify_rtnl in net/ipv6/addrconf.c). For IPv4 it "
        "looks through those of one interface (find_matching_ifa in net/ipv4/devinet.c).",
        kernel.FAMILIES,
        tuple(
            figure(samples, kernel.title(request, size), "µs")
            for request in kernel.REQUESTS
            for size in kernel.SIZES
        ),
    )


def _figure(samples: Samples, name: str, unit: str, shape: Shape) -> Figure:
    bound = None
    if shape is _ONE and name == scale.START:
        bound = Bound(250, "0.25 s", "Python starts, and imports what it needs, in two processes")
    if shape is _THOUSAND:
        if name in (scale.MASTER_CPU, scale.BACKUP_CPU):
            theirs = figure(samples, name, unit).median("keepalived")
            bound = Bound(theirs, "no more than keepalived's", IN_PYTHON) if theirs else None
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
