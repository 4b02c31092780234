"""What one pair of hosts does, and what many addresses cost: each part runs its contestants and
makes tables."""

from collections.abc import Iterator
from functools import partial

from bench import commands, crowd, forged, pair, profile, regularity, throughput
from bench.contestants import CONTESTANTS, Contestant
from bench.families import IPV4, IPV6, Family
from bench.figures import Bound, Figure, Samples, Section, figure
from bench.run import Bench

MIXED = (("vipd", "ucarp"), ("ucarp", "vipd"))
_AS_KEEPALIVED = "no more than keepalived's"
IN_PYTHON = (
    "each advertisement is signed or checked, and decided on, by hundreds of steps of Python's "
    "interpreter (see “Where the time goes”); keepalived is C, and signs nothing"
)

_ONE_BY_ONE = (
    "each advertisement is a system call; with ordinary priority others get the processor meanwhile"
)

_IN_KERNEL = (
    "each advertisement renews a lease, and with each renewal of an IPv6 address Linux joins all "
    "multicast groups of the interface again, one for each of its addresses: a third of the "
    "processor time, by perf. The rest is as with IPv4. keepalived has no leases"
)


def gaps(bench: Bench) -> list[Section]:
    """Pairs of the same kind: what a client sees, and how fast a decision is carried out."""
    samples: Samples = {}
    bench.attempt_all(samples, "pair", lambda kind: pair.lifecycle(kind, kind))
    prompt = Bound(
        5,
        "5 ms",
        "a processor that sleeps takes a millisecond or more to run vipd, and vipd needs one for "
        "each of the three; where several runs differ much, the machine had other things to do",
    )
    return [
        Section(
            "What a client sees",
            "Two hosts of the same kind; a third pings the address every 5 ms. The time is that "
            "between two answers, so 5 ms is no gap at all. Crash: the master's carrier goes away "
            "right after an advertisement, the worst moment. Stop: SIGTERM to the master, likewise "
            "right after one. Failback: the preferred host's carrier comes back, and it takes its "
            "address again. keepalived has `advert_int 1` and priorities 254 and 246, which is "
            "advskew 2 and 10.",
            tuple(CONTESTANTS),
            (
                figure(samples, pair.gap(pair.CRASH), "ms", "crash of the master", _crash()),
                figure(samples, pair.gap(pair.STOP), "ms", "planned stop of the master"),
                figure(samples, pair.gap(pair.FAILBACK), "ms", "failback by preemption"),
            ),
            picture="gaps",
        ),
        Section(
            "From decision to effect",
            "A decision cannot be seen from outside, its cause can, and is earlier: the end of "
            "master-down after the last advertisement that the new master heard (its own tcpdump), "
            "or the slower advertisement that makes it preempt. Timers that fire late and packets "
            "that wait are thus counted in. Address: when `ip -ts monitor` on that host was told. "
            "Announcement and advertisement: tcpdump on that host. keepalived does not preempt on "
            "a packet but after a wait, which has no cause to count from.",
            tuple(CONTESTANTS),
            tuple(
                figure(samples, pair.delay(cause, effect), "ms", f"after {cause}: {effect}", prompt)
                for cause in (pair.SILENCE, pair.PREEMPTION)
                for effect in (pair.HELD, pair.ARP, pair.AD)
            ),
            picture="delays",
        ),
    ]


def mixed(bench: Bench) -> list[Section]:
    """A vipd and a ucarp host side by side, each as the preferred one."""
    samples: Samples = {}
    for first, second in MIXED:
        bench.attempt(
            samples,
            _mixture(first, second),
            "mixed",
            partial(pair.lifecycle, CONTESTANTS[first], CONTESTANTS[second]),
        )
    return [
        Section(
            "What a client sees while hosts are migrated",
            "As above, with one host of each kind. ucarp looks at packets up to 1 s late.",
            tuple(_mixture(first, second) for first, second in MIXED),
            (
                figure(samples, pair.gap(pair.CRASH), "ms", "crash of the preferred host"),
                figure(samples, pair.gap(pair.STOP), "ms", "planned stop of the preferred host"),
                figure(samples, pair.gap(pair.FAILBACK), "ms", "failback to the preferred host"),
            ),
        )
    ]


def _crash() -> Bound:
    patience = CONTESTANTS["vipd"].master_down * 1000
    return Bound(patience + 50, f"master-down ({patience:.0f} ms) + 50 ms")


def _mixture(preferred: str, other: str) -> str:
    return f"{preferred} preferred, {other} backup"


def many(bench: Bench) -> list[Section]:
    """255 addresses at rest, and their start."""
    samples: Samples = {}
    rest = partial(_steady, bench.window)
    lean = {name: kind for name, kind in CONTESTANTS.items() if name != "ucarp"}
    bench.attempt_all(samples, "255 addresses at rest", rest, lean)
    bench.attempt(samples, "ucarp", "255 addresses at rest", partial(rest, CONTESTANTS["ucarp"]))
    bench.attempt_all(
        samples, "start of 255 addresses", lambda kind: {crowd.START: crowd.start_up(kind)}
    )
    one: Samples = {}
    for run in range(bench.runs):
        measure = partial(_steady, bench.window / 4, CONTESTANTS["vipd"], count=1)
        bench.attempt(one, "vipd", f"one address at rest, run {run + 1}", measure)
    python = (
        "Python itself with asyncio, and the guard's Python, are two thirds of it; docs/memory.md "
        "has the rest"
    )
    memory, memory_of_one = Bound(34, "34 MB", python), Bound(28, "28 MB", python)
    start = Bound(
        600,
        "0.6 s",
        "half of it is Python importing what it needs, in two processes at a time; then 255 files "
        "are read and checked, and 255 VIPs set up",
    )
    return [
        Section(
            f"{crowd.COUNT} addresses on one interface",
            f"CPU: of one core, over {bench.window:g} s in which nothing happens, user and system "
            "time of all processes of the daemon. PSS: memory of all of them, shared pages divided "
            "among those that share them; that includes this programme and the other host, so RSS "
            "is what a vipd without any other Python beside it takes at most. Start-up: from exec "
            "until the last group has logged that it is BACKUP.",
            tuple(CONTESTANTS),
            (
                *_processors(samples, master=IN_PYTHON, backup=IN_PYTHON),
                figure(samples, crowd.MASTER_PSS, "MB", bound=memory),
                figure(samples, crowd.BACKUP_PSS, "MB", bound=memory),
                figure(samples, crowd.GUARD_PSS, "MB"),
                figure(one, crowd.MASTER_PSS, "MB", "PSS of the master, 1 address", memory_of_one),
                figure(one, crowd.BACKUP_PSS, "MB", "PSS of the backup, 1 address", memory_of_one),
                figure(samples, crowd.MASTER_RSS, "MB"),
                figure(samples, crowd.BACKUP_RSS, "MB"),
                figure(samples, crowd.START, "ms", bound=start),
            ),
        )
    ]


def profiled(bench: Bench) -> list[Section]:
    """What a master and a backup do with their time."""
    samples: Samples = {}
    measure = partial(profile.profile, bench.window / 2)
    bench.attempt_rows(samples, f"profile of {crowd.COUNT} addresses", measure)
    return [
        Section(
            "Where the time goes",
            f"vipd with {crowd.COUNT} addresses at rest, over {bench.window / 2:g} s, by Python's "
            "profiler, which makes functions that call many others look dearer than they are. A "
            "backup decides nothing on most of what it "
            "hears: it finds that it is authentic, new, and says the same as before.",
            profile.ROLES,
            tuple(figure(samples, part, "%") for part in profile.PARTS),
        )
    ]


def _steady(
    window: float,
    kind: Contestant,
    count: int = crowd.COUNT,
    interfaces: int = 1,
    family: Family = IPV4,
) -> dict[str, float]:
    return crowd.steady(kind, window, count, interfaces, family)


def _processors(samples: Samples, *, master: str, backup: str) -> Iterator[Figure]:
    """CPU of master and backup: at most keepalived's; and why, where it is more."""
    for name, why in ((crowd.MASTER_CPU, master), (crowd.BACKUP_CPU, backup)):
        limit = figure(samples, name, "%").median("keepalived")
        bound = None if limit is None else Bound(limit, _AS_KEEPALIVED, why)
        yield figure(samples, name, "%", bound=bound)


def ipv6(bench: Bench) -> list[Section]:
    """The same by IPv6: one address and its client, and many at rest."""
    samples: Samples = {}
    able = {name: kind for name, kind in CONTESTANTS.items() if kind.ipv6}
    bench.attempt_all(
        samples, "IPv6 pair", lambda kind: pair.lifecycle(kind, kind, IPV6), able, runs=1
    )
    bench.attempt_all(
        samples,
        f"{crowd.COUNT} IPv6 addresses at rest",
        partial(_steady, bench.window, family=IPV6),
        able,
        runs=bench.fewer,
    )
    hand_over = Bound(20, "20 ms")
    return [
        Section(
            "IPv6",
            "Crash, stop and failback as in the first table, with an IPv6 address; then "
            f"{crowd.COUNT} of them at rest, each in a group of its own on one interface (as many "
            f"as VRRP can have), over {bench.window:g} s. keepalived has version 3 of VRRP, which "
            "has no password. ucarp has no IPv6.",
            tuple(CONTESTANTS),
            (
                figure(samples, pair.gap(pair.CRASH), "ms", "crash of the master", _crash()),
                figure(samples, pair.gap(pair.STOP), "ms", "planned stop of the master", hand_over),
                figure(samples, pair.gap(pair.FAILBACK), "ms", "failback by preemption", hand_over),
                *_processors(samples, master=_IN_KERNEL, backup=IN_PYTHON),
            ),
            cannot=frozenset(CONTESTANTS) - frozenset(able),
        )
    ]


def regular(bench: Bench) -> list[Section]:
    """When advertisements leave, and how many can be taken in."""
    samples: Samples = {}
    bench.attempt_all(samples, "regularity", regularity.regularity, runs=bench.fewer)
    bench.attempt(samples, "vipd", "reload", regularity.reload)
    bench.attempt_all(samples, "flood", throughput.throughput, runs=bench.fewer)
    late, typical = regularity.late, regularity.typically_late
    in_time = Bound(50, "50 ms")
    return [
        Section(
            "Regularity",
            "255 masters on one interface; a second host takes down when their advertisements "
            "arrive. Late is what comes later after the one before than that one announced. Busy: "
            "twice as many processes as processors count for themselves, all of them and the "
            f"daemon with ordinary priority, for {regularity.SECONDS:g} s. Files rewritten: all "
            "255, with another advskew; applied when the last VIP has said so, counted from the "
            "last file, and with the 200 ms for which vipd waits for more. First to last: vipd's "
            "advertisements leave together once a second, the others' are spread over it.",
            tuple(CONTESTANTS),
            (
                figure(
                    samples,
                    regularity.spread(regularity.IDLE),
                    "ms",
                    "idle: first to last of a second, worst",
                    Bound(5, "5 ms", _ONE_BY_ONE),
                ),
                figure(
                    samples,
                    regularity.typical_spread(regularity.IDLE),
                    "ms",
                    "idle: first to last of a second, median",
                ),
                figure(
                    samples,
                    regularity.spread(regularity.BUSY),
                    "ms",
                    "busy: first to last of a second, worst",
                    Bound(20, "20 ms", _ONE_BY_ONE),
                ),
                figure(
                    samples,
                    regularity.typical_spread(regularity.BUSY),
                    "ms",
                    "busy: first to last of a second, median",
                ),
                figure(samples, late(regularity.IDLE), "ms", "idle: latest advertisement"),
                figure(samples, typical(regularity.IDLE), "ms", "idle: 99 of 100"),
                figure(samples, late(regularity.BUSY), "ms", "busy: latest advertisement"),
                figure(samples, typical(regularity.BUSY), "ms", "busy: 99 of 100"),
                figure(samples, regularity.APPLIED, "ms", bound=Bound(1000, "1 s")),
                figure(samples, regularity.RELOAD_LATE, "ms", bound=in_time),
            ),
        ),
        Section(
            "A flood",
            f"A backup that gets {throughput.RATE} genuine advertisements of its master a second, "
            f"for {throughput.SECONDS:g} s: processor time for one of them, in the kernel and in "
            "the daemon. A million divided by it are the packets a second that one core can take.",
            tuple(CONTESTANTS),
            (figure(samples, throughput.COST, "µs"),),
        ),
    ]


def forgery(bench: Bench) -> list[Section]:
    """What somebody without the password does to two hosts."""
    samples: Samples = {}
    bench.attempt(samples, "vipd", "forged frames", forged.forged)
    return [
        Section(
            "Forged frames",
            f"254 masters on one host and their backups on another; a third sends {forged.RATE} "
            f"frames a second for {forged.SECONDS:g} s: for every group wrong digests, TTLs and "
            "versions, and ARP for every address. A fourth takes down when the master's "
            "advertisements arrive. Lines are those of the host that logs more.",
            ("vipd",),
            (
                figure(samples, forged.LATE, "ms", bound=Bound(50, "50 ms")),
                figure(samples, forged.TRANSITIONS, "", bound=Bound(0, "none")),
                figure(samples, forged.LINES, "", bound=Bound(100, "100")),
                figure(samples, forged.MASTER_CPU, "%"),
                figure(samples, forged.BACKUP_CPU, "%"),
                figure(samples, forged.SENT, ""),
            ),
        )
    ]


def vipctl(bench: Bench) -> list[Section]:
    """How long vipctl takes to answer."""
    samples: Samples = {}
    bench.attempt_many(samples, "vipd", "vipctl", lambda: commands.commands(CONTESTANTS["vipd"]))
    imports = "half of it and more is Python starting and importing"
    at_once = Bound(200, "200 ms", f"{imports}: click, and asyncio to speak with the daemon")
    files = f"{imports} (pydantic and its models), most of the rest are the {crowd.COUNT} files"
    of_files = Bound(300, "300 ms", files)
    return [
        Section(
            "vipctl",
            f"A host that is master of {crowd.COUNT} addresses. From exec to exit, the start of "
            f"the interpreter included; each value is the median of {commands.REPEATS} in a row.",
            ("vipd",),
            tuple(
                figure(
                    samples,
                    name,
                    "ms",
                    f"`vipctl {name}`",
                    of_files if name in ("check", "reload") else at_once,
                )
                for name in (*commands.COMMANDS, commands.TAB)
            ),
        )
    ]


def endurance(bench: Bench) -> list[Section]:
    """For how long no advertisement is late; not a part of the page, because it takes half an
    hour."""
    samples: Samples = {}
    bench.attempt_many(samples, "vipd", "endurance", partial(regularity.endurance, bench.minutes))
    late, spread = regularity.late(regularity.IDLE), regularity.spread(regularity.IDLE)
    return [
        Section(
            f"{bench.minutes:g} minutes of advertisements",
            "255 masters that nothing disturbs; the worst of each minute.",
            ("vipd",),
            (
                figure(samples, late, "ms", "latest advertisement", Bound(50, "50 ms")),
                figure(samples, spread, "ms", "first to last of a second", Bound(5, "5 ms")),
            ),
        )
    ]
