"""Chaos, round after round: each begins and ends with a network that is whole and at peace."""

import heapq
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count

from chaos import bounds
from chaos.figures import Figures, Witness
from chaos.groups import GROUPS, HOSTS, Group
from chaos.moves import Verdict, too_many, verdict
from chaos.plan import Fault, plan, sickness, siege
from chaos.record import Condition, Record
from chaos.scene import Act, BrokenError, Until
from chaos.stage import Stage
from chaos.verdict import (
    Check,
    Measured,
    judge,
    judge_own,
    judge_siege,
    judge_together,
    missed_an_owner,
)
from vipd.lab import Ownership

#: What the machine that all this runs on may add to a bound, beside what it is known to be late.
PATIENCE = 1.0
#: How long nothing may change at the end of a round, seconds.
PEACE = 2.0
#: How long after a siege its effects are waited for, seconds: longer than any lease.
AFTERMATH = 5.0
#: The most that a vipd may say in a siege about packets and ARP that it did not believe, lines.
LINES = 100

_UNBELIEVED = re.compile("packet from|answers for|claims")
_LOOK_AGAIN = 0.05  # seconds between two looks at something that has yet to happen
_SAMPLE = 0.05  # seconds that a sample may differ from the event
#: A late machine may have made up for it by the time when something is measured, seconds.
_SHORTLY = 5.0
#: What of the story goes with a complaint: seconds before it.
_BEFORE = 12.0


class Play:
    """Plays rounds on a stage. Raises BrokenError, with seed and story, when something does not
    hold."""

    def __init__(self, stage: Stage, seed: str) -> None:
        self.figures = Figures()
        self._stage = stage
        self._seed = seed

    def open(self) -> None:
        """Start everything, and wait until each address is where it belongs."""
        self._perform([(0.0, 0.0, act) for act in self._stage.open()])
        self._settle()
        self._stage.record = Record()

    def round(self, length: float, faults: Sequence[Fault] | None = None) -> None:
        """So many seconds of faults (drawn from the seed unless given), peace, and the verdict."""
        begin = time.time()
        if faults is None:
            seed = f"{self._seed}/{self.figures.rounds}"
            faults = plan(seed, length, tuple(HOSTS), [group.vhid for group in GROUPS])
        self._perform([(f.begin, f.end, self._stage.act(f)) for f in faults])
        self._settle()
        self._judge(begin)

    def siege(self, length: float, faults: Sequence[Fault] | None = None) -> None:
        """So many seconds of faults that must not move an address, after a round; and the
        verdict."""
        begin = time.time()
        if faults is None:
            seed = f"{self._seed}/{self.figures.rounds}"
            faults = siege(seed, length, tuple(HOSTS), [group.vhid for group in GROUPS])
        self._perform([(f.begin, f.end, self._stage.act(f)) for f in faults])
        time.sleep(AFTERMATH)
        for group in GROUPS:
            for address in group.addresses:
                for witness, ownership in self._testimony(address, begin):
                    for measured in judge_siege(group, ownership, self._stage.record.spans):
                        self._take(measured, witness)
        self._listen(begin)
        self._judge(begin)

    def sickness(self, length: float, faults: Sequence[Fault] | None = None) -> None:
        """So many seconds in which checks fail, and nothing else happens; and the verdict."""
        self._settle()
        begin = time.time()
        if faults is None:
            seed = f"{self._seed}/{self.figures.rounds}"
            faults = sickness(seed, length, tuple(HOSTS), [group.vhid for group in GROUPS])
        self._perform([(f.begin, f.end, self._stage.act(f)) for f in faults])
        self._settle()
        self._count_moves(begin)
        self._judge(begin)

    def _perform(self, acts: Sequence[tuple[float, float, Act]]) -> None:
        """Resume each act when its time has come, and again when it says so, until it is over."""
        start = time.monotonic()
        number = count()  # orders acts of the same time
        agenda = [(begin, next(number), end, act) for begin, end, act in acts]
        heapq.heapify(agenda)
        while agenda:
            when, _, end, act = heapq.heappop(agenda)
            time.sleep(max(0.0, start + when - time.monotonic()))
            try:
                until = next(act)
            except StopIteration:
                continue
            except BrokenError as broken:
                raise self._complaint(str(broken), None, 0.0) from broken
            soon = time.monotonic() - start + _LOOK_AGAIN
            when = end if until is Until.END else soon
            heapq.heappush(agenda, (when, next(number), end, act))

    # What has to hold

    def _settle(self) -> None:
        """Wait until each address is where it belongs, and stays there."""
        start = time.time()
        right_since, before = start, -1
        while time.time() - right_since < PEACE:
            wrong = [group for group in GROUPS if not self._at_home(group)]
            now = self._changes()
            if wrong or now != before:
                right_since, before = time.time(), now
            if wrong and time.time() - start > self._longest_settling(start):
                owners = {a: self._stage.owners(a) for a in wrong[0].addresses}
                text = f"{wrong[0].name} does not come to rest; who has it now: {owners}"
                raise self._complaint(text, wrong[0], start)
            time.sleep(4 * _LOOK_AGAIN)

    def _longest_settling(self, since: float) -> float:
        late = self._stage.samples.lateness(since - _SHORTLY, time.time())
        return max(map(bounds.settled, GROUPS)) + PATIENCE + late

    def _at_home(self, group: Group) -> bool:
        owners, *others = (self._stage.owners(address) for address in group.addresses)
        if any(each != owners for each in others):
            return False
        excused = self._excused(group)
        if excused:
            return len(owners) == 1 or excused == set(HOSTS)
        return owners == [group.preferred]

    def _excused(self, group: Group) -> set[str]:
        """Who need not own the address although all is well: a script that failed is not tried
        again for a while."""
        now = time.time()
        return {
            span.host
            for span in self._stage.record.spans
            if span.condition is Condition.EXCUSED and span.concerns(group.vhid) and span.end > now
        }

    def _changes(self) -> int:
        """How many times addresses have changed their owner, but for those not yet expected to
        stay where they are."""
        return sum(
            len(self._stage.lab.ownership(address).changes)
            for group in GROUPS
            if not self._excused(group)
            for address in group.addresses
        )

    def _judge(self, begin: float) -> None:
        now, record, figures = time.time(), self._stage.record, self.figures
        figures.rounds += 1
        figures.seconds += now - begin
        figures.faults += record.faults
        figures.late = max(figures.late, self._stage.samples.lateness(begin, now))
        for host, address in HOSTS.items():
            for witness, ownership in self._testimony(address, begin):
                for measured in judge_own(host, ownership, record.spans):
                    self._take(measured, witness)
        for group in GROUPS:
            for address in group.addresses:
                self._judge_address(group, address, begin)
            testimonies = zip(*(self._testimony(a, begin) for a in group.addresses), strict=True)
            for each in testimonies:
                ownerships = [ownership for _, ownership in each]
                for measured in judge_together(group, ownerships, record.spans):
                    self._take(measured, each[0][0])
        self._stage.look_at_logs()
        carried = [span for span in record.spans if span.end > now]
        self._stage.record = Record(spans=carried)

    def _judge_address(self, group: Group, address: str, begin: float) -> None:
        spans = self._stage.record.spans
        (_, events), (_, samples) = self._testimony(address, begin)
        self.figures.changes += len(events.changes) - 1
        told = list(judge(group, events, spans, PATIENCE))
        sampled = judge(group, samples, spans, PATIENCE)
        seen = [each for each in sampled if not missed_an_owner(each, told, _SAMPLE)]
        for witness, all_measured in ((Witness.EVENTS, told), (Witness.SAMPLES, seen)):
            for measured in all_measured:
                self._take(measured, witness)

    def _testimony(self, address: str, since: float) -> tuple[tuple[Witness, Ownership], ...]:
        """What each witness says about an address."""
        return (
            (Witness.EVENTS, self._stage.lab.ownership(address).since(since)),
            (Witness.SAMPLES, self._stage.samples.ownership(address).since(since)),
        )

    def _take(self, measured: Measured, witness: Witness) -> None:
        """Keep it, and see that it holds."""
        self.figures.take(witness, measured)
        patience = PATIENCE + (witness is Witness.SAMPLES) * _SAMPLE
        if measured.patience is not None:
            patience += measured.patience - PATIENCE
        allowed = measured.limit + (patience if measured.slack is None else 0.0)
        if measured.seconds > allowed:
            begin, end, needed = measured.begin, measured.begin, measured.slack
            if needed is None:  # what the machine was late with later counts as well
                end, needed = begin + measured.seconds, measured.seconds - allowed
            self._object(f"{measured}; by {witness.value}", measured.group, begin, end, needed)

    def _object(
        self, text: str, group: Group | None, begin: float, end: float, needed: float
    ) -> None:
        """Something does not hold: raise it, unless the machine was late by what was `needed` for
        it, in seconds."""
        late = self._stage.samples.lateness(begin - _SHORTLY, end)
        complaint = self._complaint(f"{text}; the machine was {late:.2f} s late", group, begin)
        if needed > late:
            raise complaint
        self.figures.strained.append(str(complaint))

    def _count_moves(self, begin: float) -> None:
        """One verdict moves an address once at most, and none while all hosts are sick."""
        verdicts: dict[str, list[Verdict]] = {group.name: [] for group in GROUPS}
        for process, line in self._stage.said(begin):
            at = datetime.fromisoformat(line["time"]).timestamp()
            host = process.name.rpartition(" ")[2]
            said = verdict(at, host, line["message"])
            if said and line.get("id") in verdicts:
                verdicts[line["id"]].append(said)
        for group in GROUPS:
            hand_over = group.interval + bounds.STAGGER + PATIENCE
            for address in group.addresses:
                (_, events), _ = self._testimony(address, begin)
                if found := too_many(events, verdicts[group.name], hand_over):
                    at, text = found
                    self._object(f"{address} {text}", group, at, at, bounds.slack(group))

    def _listen(self, begin: float) -> None:
        """A third witness of a siege: vipd itself, which must not have changed a state (that of a
        backup is seen nowhere else), nor have said much about what it did not believe."""
        excused = any(
            span.condition is Condition.EXCUSED and span.overlaps(begin, time.time())
            for span in self._stage.record.spans
        )
        unwell = {
            span.vhid
            for span in self._stage.record.spans
            if span.condition is Condition.UNWELL and span.overlaps(begin, time.time())
        }
        spared = {group.name for group in GROUPS if group.vhid in unwell}
        unbelieved: Counter[str] = Counter()
        for process, line in self._stage.said(begin):
            message = line["message"]
            unbelieved[process.name] += bool(_UNBELIEVED.search(message))
            spare = excused or line.get("id") in spared
            if line.get("event") == "transition" and not spare:
                at = datetime.fromisoformat(line["time"]).timestamp()
                text = f"{Check.UNTOUCHED.value}: {process.name} says {line.get('id')}: {message}"
                self._object(text, None, at, at, min(map(bounds.slack, GROUPS)))
        for name, lines in unbelieved.items():
            if lines > LINES:
                text = f"{name} says {lines} lines about what it does not believe"
                raise self._complaint(text, None, begin)

    # What is told when it does not

    def _complaint(self, what: str, group: Group | None, since: float) -> BrokenError:
        lines = [f"round {self.figures.rounds} of seed {self._seed}: {what}"]
        lines += [
            f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}  {line}"
            for at, line in sorted(self._story(group))
            if at >= since - _BEFORE
        ]
        return BrokenError("\n".join(lines))

    def _story(self, group: Group | None) -> Iterator[tuple[float, str]]:
        """What was done, what the kernel says, and what vipd says about it."""
        for happening in self._stage.record.story:
            if group is None or happening.vhid in (None, group.vhid):
                yield happening.time, f"--- {happening.what}"
        for one in GROUPS if group is None else (group,):
            for address in one.addresses:
                for change in self._stage.lab.ownership(address).changes:
                    did = "gets" if change.added else "loses"
                    yield change.time, f"    {change.host} {did} {address}"
        for process, line in self._stage.said(0.0):
            if group is None or line.get("id", group.name) == group.name:
                at = datetime.fromisoformat(line["time"]).timestamp()
                yield at, f"        {process.name} {line.get('id', '')}: {line['message']}"
